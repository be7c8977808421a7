/** After tsc: what it leaves behind, into the folder of its output. The migrations are read from beside the code that applies them. */
import { cpSync, rmSync } from 'node:fs';

const target = `${process.argv[2] ?? 'dist'}/storage/migrations`;
rmSync(target, { recursive: true, force: true });
cpSync('src/storage/migrations', target, { recursive: true });
