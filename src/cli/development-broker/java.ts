import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CommandError } from '../command-error.js';

const run = promisify(execFile);

/** The oldest that runs the broker. */
const OLDEST_JAVA = 17;
const ANSWER_TIMEOUT_MS = 20_000;

/**
 * The `java` of JAVA_HOME, else that of PATH, as what to execute. Throws SERVER_UNREACHABLE that says what to install where
 * neither is Java 17 or newer.
 */
export async function findJava(environment: NodeJS.ProcessEnv): Promise<string> {
  const home = environment['JAVA_HOME'] ?? '';
  const candidates = home === '' ? ['java'] : [join(home, 'bin', 'java'), 'java'];
  let newest = 0;
  for (const java of candidates) {
    const version = await majorVersion(java, environment);
    if (version >= OLDEST_JAVA) return java;
    newest = Math.max(newest, version);
  }
  const found = newest === 0 ? 'there is no Java in JAVA_HOME or on the PATH' : `the Java found is version ${newest}`;
  throw new CommandError('SERVER_UNREACHABLE', `${found} (install a Java runtime, version ${OLDEST_JAVA} or newer)`);
}

/** 0 where it cannot be run. */
async function majorVersion(java: string, env: NodeJS.ProcessEnv): Promise<number> {
  try {
    const { stdout, stderr } = await run(java, ['-version'], { env, timeout: ANSWER_TIMEOUT_MS, windowsHide: true });
    const [, first, second] = /version "(\d+)(?:\.(\d+))?/.exec(`${stdout}${stderr}`) ?? [];
    return Number((first === '1' ? second : first) ?? 0);
  } catch {
    return 0;
  }
}
