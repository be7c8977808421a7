/**
 * Fails, naming each difference, when something generated is not what generating it again gives: the code in src/gen,
 * the schema dump, the options table of the README. Needs a build.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

const GENERATED = 'src/gen';
const binaries = resolve('node_modules/.bin');
const environment = { ...process.env, PATH: `${binaries}${delimiter}${process.env.PATH ?? ''}` };

function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', env: environment });
  if (error !== undefined) console.error(`${command}: ${error.message}`);
  return status === 0;
}

function filesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return new Map(files.map((entry) => [join(entry.parentPath, entry.name).slice(folder.length + 1), entry]));
}

function differences(kept, fresh) {
  const paths = new Set([...filesIn(kept).keys(), ...filesIn(fresh).keys()]);
  return [...paths].sort().filter((path) => read(join(kept, path)) !== read(join(fresh, path)));
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function isCodeCurrent() {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-generated-'));
  try {
    if (!run('buf', 'generate', '--output', folder)) return false;
    const stale = differences(GENERATED, join(folder, GENERATED));
    for (const path of stale) console.error(`${GENERATED}/${path} differs from what \`npm run generate\` gives`);
    return stale.length === 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const results = [
  isCodeCurrent(),
  run(process.execPath, 'scripts/dump-schema.js', '--check'),
  run(process.execPath, 'scripts/options-table.js', '--check'),
];
process.exitCode = results.every(Boolean) ? 0 : 1;
