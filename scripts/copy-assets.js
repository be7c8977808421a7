/** After tsc: what it leaves behind. The migrations are read from beside the code that applies them. */
import { cpSync, rmSync } from 'node:fs';

const target = 'dist/storage/migrations';
rmSync(target, { recursive: true, force: true });
cpSync('src/storage/migrations', target, { recursive: true });
