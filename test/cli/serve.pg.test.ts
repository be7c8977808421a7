import { mkdtemp, readFile, rm, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CompiledCli } from './compiled-cli.js';
import { compileCli, exitCodeOf, readAddresses } from './compiled-cli.js';

let cli: CompiledCli;
let dataDirectory: string;

beforeAll(async () => {
  [cli, dataDirectory] = await Promise.all([compileCli(), mkdtemp(join(tmpdir(), 'rollcall-serve-'))]);
  await chmod(dataDirectory, 0o711);
});

afterAll(async () => {
  await Promise.all([cli.remove(), rm(dataDirectory, { recursive: true, force: true })]);
});

function onFolder(...args: string[]) {
  return cli.run([...args, '--data-directory', dataDirectory, '--json']);
}

it('serves the embedded database; other commands on its folder talk to it, and go on without it when it has stopped', async () => {
  expect(await onFolder('migrate')).toMatchObject({ exitCode: 0, stderr: '' });
  const server = cli.start([
    'serve',
    '--grpc-port',
    '0',
    '--http-port',
    '0',
    '--data-directory',
    dataDirectory,
    '--log-level',
    'error',
    '--json',
  ]);
  const { grpcAddress } = await readAddresses(server);
  expect(JSON.parse(await readFile(join(dataDirectory, 'server.json'), 'utf8'))).toEqual({
    pid: server.pid,
    grpcAddress,
  });
  const input = '{"identifier":"ada","age":36}\n{"identifier":"ben","age":7}\n';
  const imported = await cli.run(['import', '-', '--format', 'ndjson', '--data-directory', dataDirectory], {
    stdin: input,
  });
  expect(imported).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await onFolder('count', '--where', 'age GREATER_THAN 18')).toMatchObject({ exitCode: 0, stderr: '' });

  const ended = exitCodeOf(server);
  server.kill('SIGTERM');
  expect(await ended).toBe(0);
  await expect(readFile(join(dataDirectory, 'server.json'))).rejects.toThrow();
  const alone = await onFolder('count', '--where', 'age GREATER_THAN 18');
  expect(alone).toMatchObject({ exitCode: 0, stderr: '' });
  expect(JSON.parse(alone.stdout)).toMatchObject({ count: 1 });
});
