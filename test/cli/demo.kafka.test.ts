import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { CompiledCli } from './compiled-cli.js';
import { compileCli } from './compiled-cli.js';

let cli: CompiledCli;
let folder: string;

beforeAll(async () => {
  [cli, folder] = await Promise.all([compileCli(), mkdtemp(join(tmpdir(), 'rollcall-demo-'))]);
  await chmod(folder, 0o711);
});

afterAll(async () => {
  await Promise.all([cli.remove(), rm(folder, { recursive: true, force: true })]);
});

it('sends the live changes by the broker, and ends where the demo without one does', async () => {
  const args = ['demo', '--identities', '3000', '--data-directory', 'demo'];
  const plain = await cli.run(args, { cwd: folder });
  const env = { KAFKA_BROKERS: inject('kafkaBrokers').join(',') };
  const fed = await cli.run([...args, '--kafka'], { cwd: folder, env });
  expect({ exitCode: fed.exitCode, stderr: fed.stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(fed.stdout).toContain('Changes arrive by Kafka');
  const counts = ({ stdout }: { readonly stdout: string }): string[] =>
    [...stdout.matchAll(/Count growth, at .*?([0-9,]+)$/gm)].map(([, count = '']) => count);
  expect(counts(fed)).toHaveLength(3);
  expect(counts(fed)).toEqual(counts(plain));
});

it('says plainly what is missing where no broker can be had', async () => {
  const env = { KAFKA_BROKERS: '', PATH: '/nowhere', JAVA_HOME: '', DOCKER_HOST: 'tcp://127.0.0.1:1' };
  const { exitCode, stderr } = await cli.run(['demo', '--kafka', '--data-directory', 'none'], { cwd: folder, env });
  expect(exitCode).toBe(5);
  expect(stderr).toContain('No Kafka broker can be had');
});
