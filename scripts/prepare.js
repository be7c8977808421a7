/** After `npm ci`: builds, so that `npx rollcall` works. Without the development packages there is nothing to build with. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

function isInstalled(name) {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

if (isInstalled('typescript')) {
  process.exitCode = spawnSync('npm run --silent build', { shell: true, stdio: 'inherit' }).status ?? 1;
} else {
  console.error('Not built: the development packages are not installed.');
}
