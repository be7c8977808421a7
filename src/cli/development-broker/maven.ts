import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify, stripVTControlCharacters } from 'node:util';
import { CommandError } from '../command-error.js';

const run = promisify(execFile);

const COPY_DEPENDENCIES = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
const DOWNLOAD_TIMEOUT_MS = 600_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/** Windows starts a command file by its shell only. */
const isWindows = process.platform === 'win32';

/** What Maven resolves: `group:artifact:version`. */
export type MavenCoordinate = `${string}:${string}:${string}`;

/**
 * Puts the jars of the coordinates, and all that they need to run, into `<folder>/jars`, from wherever the user's Maven is
 * set up to get them. Throws SERVER_UNREACHABLE that says what to do where there is no Maven or it cannot get them.
 */
export async function copyJars(
  coordinates: readonly MavenCoordinate[],
  folder: string,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  await mkdir(join(folder, 'jars'), { recursive: true });
  await writeFile(join(folder, 'pom.xml'), pomOf(coordinates));
  const options = ['-B', '-q', '-C', '-DincludeScope=runtime', '-DoutputDirectory=jars'];
  try {
    await run(isWindows ? 'mvn.cmd' : 'mvn', [...options, COPY_DEPENDENCIES], {
      cwd: folder,
      env: environment,
      shell: isWindows,
      timeout: DOWNLOAD_TIMEOUT_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
      windowsHide: true,
    });
  } catch (error) {
    throw explained(error);
  }
}

function pomOf(coordinates: readonly MavenCoordinate[]): string {
  const dependencies = coordinates.map((coordinate) => {
    const [group, artifact, version] = coordinate.split(':');
    return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  });
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>rollcall</groupId><artifactId>development-broker</artifactId><version>1</version>
  <dependencies>${dependencies.join('')}</dependencies>
</project>
`;
}

function explained(error: unknown): CommandError {
  const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
  const message = isMissing
    ? 'there is no Maven on the PATH to get the jars of Apache Kafka with (install `mvn`; it is needed once)'
    : `Maven could not get the jars of Apache Kafka: ${firstComplaint(error)} (\`mvn\` has to reach its repository once)`;
  return new CommandError('SERVER_UNREACHABLE', message, { cause: error });
}

/** Maven says the cause in its first line of errors, and before it what it was asked. */
function firstComplaint(error: unknown): string {
  const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
  const line = output.split('\n').find((candidate) => candidate.includes('ERROR'));
  const text = stripVTControlCharacters(line ?? String(error)).replace(/^\[ERROR\]\s*/, '');
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}
