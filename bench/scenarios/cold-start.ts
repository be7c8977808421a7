import { strictEqual } from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { withCounts } from '../measure/counting-client.js';
import { type Usage, usageOf } from '../measure/resources.js';
import { median, percentile } from '../measure/statistics.js';
import type { Figure } from '../report/figures.js';
import { type BitmapWorld, withBitmaps } from '../world/bitmaps.js';
import type { World } from '../world/world.js';

const run = promisify(execFile);
const GOAL_MS = 1_000;
const MOST_ROUNDS = 7;
/** As it is installed; bundled anew, two folders below where it reads its version. */
const PROGRAM = fileURLToPath(new URL('../../installed/bundle/main.js', import.meta.url));
const PACKAGE = fileURLToPath(new URL('../../package.json', import.meta.url));
const SERVE = fileURLToPath(new URL('../measure/serve.js', import.meta.url));

const ADDRESS = z.object({ grpcAddress: z.string() });
const PARTS = z.object({ bootMs: z.number(), importMs: z.number(), startMs: z.number() });

/** One start: milliseconds from spawning the process, and what it had read and used by then. */
interface Start {
  readonly listeningMs: number;
  readonly firstCountMs: number;
  readonly everyCountMs: number;
  readonly firstCountBytes: number;
  readonly everyCountBytes: number;
  readonly usage: Usage | undefined;
}

/** Starting on a running database whose environment has 100 atoms: `rollcall serve` to the answer of its first Count, of a segment of three atoms. */
export async function coldStartScenario(world: World, rounds: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  await copyFile('package.json', PACKAGE);
  await run(process.execPath, ['scripts/bundle.js', dirname(PROGRAM)]);
  await withBitmaps(world.url, world.people, async (bitmaps) => {
    const starts: Start[] = [];
    const parts: z.infer<typeof PARTS>[] = [];
    // The first start of each reads the program's files into the system's cache.
    for (let round = 0; round <= Math.min(rounds, MOST_ROUNDS); round++) {
      const start = await startAndCount(bitmaps);
      const ofParts = await startInParts(bitmaps);
      if (round > 0) starts.push(start);
      if (round > 0) parts.push(ofParts);
    }
    figures.push(...figuresOf(starts, parts));
  });
  return figures;
}

function figuresOf(starts: readonly Start[], parts: readonly z.infer<typeof PARTS>[]): Figure[] {
  const figure = (what: string, times: readonly number[]): Figure => ({
    scenario: 'cold start',
    what,
    value: median(times),
    p99: percentile(times, 0.99),
    unit: 'ms',
  });
  const first = figure(
    'rollcall serve to the first Count',
    starts.map(({ firstCountMs }) => firstCountMs),
  );
  const usage = starts.at(-1)?.usage;
  return [
    {
      ...first,
      bytes: median(starts.map(({ firstCountBytes }) => firstCountBytes)),
      goal: `≤ ${GOAL_MS.toLocaleString('en')}`,
      isReached: first.value <= GOAL_MS,
    },
    {
      ...figure(
        'rollcall serve to Counts of all 100 atoms',
        starts.map(({ everyCountMs }) => everyCountMs),
      ),
      bytes: median(starts.map(({ everyCountBytes }) => everyCountBytes)),
      ...(usage ?? {}),
    },
    figure(
      'of it: rollcall serve to its address',
      starts.map(({ listeningMs }) => listeningMs),
    ),
    figure(
      'of it: the first Count',
      starts.map(({ firstCountMs, listeningMs }) => firstCountMs - listeningMs),
    ),
    figure(
      'of it: starting Node',
      parts.map(({ bootMs }) => bootMs),
    ),
    figure(
      'of it: loading the service',
      parts.map(({ importMs }) => importMs),
    ),
    figure(
      'of it: database, migrations, listening',
      parts.map(({ startMs }) => startMs),
    ),
  ];
}

async function startAndCount({ url, environment, segments }: BitmapWorld): Promise<Start> {
  const spawnedAt = performance.now();
  const elapsedMs = (): number => performance.now() - spawnedAt;
  const ports = ['--grpc-port', '0', '--http-port', '0'];
  return withProcess(
    url,
    [PROGRAM, 'serve', '--segment-membership-enabled', '--json', ...ports, '--log-level', 'warn'],
    {
      lines: 1,
      async work([line = ''], pid) {
        const listeningMs = elapsedMs();
        const listeningBytes = await bytesReadBy(pid);
        return withCounts(ADDRESS.parse(JSON.parse(line)).grpcAddress, environment.key, async (count) => {
          const counted = await count(segments[0]?.key ?? '');
          const firstCountMs = elapsedMs();
          const firstCountBytes = (await bytesReadBy(pid)) - listeningBytes;
          const counts = await Promise.all(segments.map(({ key }) => count(key)));
          const everyCountMs = elapsedMs();
          const everyCountBytes = (await bytesReadBy(pid)) - listeningBytes;
          strictEqual(counted, segments[0]?.count, 'the first Count has whom the bitmaps have');
          strictEqual(counts.join(), segments.map((segment) => segment.count).join(), 'and every Count');
          const usage = await usageOf(pid);
          return { listeningMs, firstCountMs, everyCountMs, firstCountBytes, everyCountBytes, usage };
        });
      },
    },
  );
}

async function startInParts({ url }: BitmapWorld): Promise<z.infer<typeof PARTS>> {
  return withProcess(url, [SERVE], {
    lines: 2,
    work: ([, parts = '']) => Promise.resolve(PARTS.parse(JSON.parse(parts))),
  });
}

/** Runs `work` with the first lines that a program writes. */
async function withProcess<Result>(
  url: string,
  args: readonly string[],
  { lines, work }: { readonly lines: number; readonly work: (said: readonly string[], pid: number) => Promise<Result> },
): Promise<Result> {
  const nodeArguments = (process.env['BENCH_SERVER_NODE_ARGUMENTS'] ?? '').split(' ').filter((text) => text !== '');
  const child = spawn(process.execPath, [...nodeArguments, ...args], {
    env: { ...process.env, DATABASE_URL: url },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    return await work(await readLines(child, lines), child.pid ?? 0);
  } finally {
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  }
}

async function readLines({ stdout }: ChildProcess, lines: number): Promise<string[]> {
  if (stdout === null) throw new Error('the process has no output');
  const said: string[] = [];
  for await (const line of createInterface({ input: stdout })) if (said.push(line) === lines) return said;
  throw new Error('the process ended before it served');
}

/** What a process has read, from sockets too; NaN where the system does not tell. */
async function bytesReadBy(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/io`, 'utf8').catch(() => '');
  return Number(/^rchar: (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}
