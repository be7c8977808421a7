import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunBroker, startChaosBroker } from './chaos-broker.js';
import { type ChaosPostgres, startChaosPostgres } from './chaos-postgres.js';
import { type CompiledService, compileService } from './compiled-service.js';
import { runChaos } from './run.js';
import type { Fault } from './schedule.js';

/** Of every kind one; `npm run chaos` does all of them, again and again. */
const SHORT: readonly Fault[] = [
  'kill after the identity rows',
  'kill after the commit, before the hint',
  'lose the answer to a commit',
  'join, then die',
  'act as a zombie',
  'kill the broker',
  'kill the database',
];
const SEED = 1;

let folder: string;
let service: CompiledService;
let broker: RunBroker;
let database: ChaosPostgres;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollcall-chaos-'));
  [service, broker, database] = await Promise.all([
    compileService(),
    startChaosBroker(() => undefined),
    startChaosPostgres(folder),
  ]);
});
afterAll(async () => {
  await Promise.all([service.remove(), broker.stop(), database.stop()]);
  await rm(folder, { recursive: true });
});

describe('I2, I3, I7: a service that is killed, cut off and taken over while it applies a topic', () => {
  it(
    `has applied every message exactly once, at every moment and at the end, with seed ${SEED}`,
    { timeout: 240_000 },
    async () => {
      const said: string[] = [];
      const { problems, steps } = await runChaos({
        seed: SEED,
        main: service.main,
        broker,
        database,
        rate: 300,
        folder,
        durationMs: Infinity,
        steps: SHORT.length,
        faults: SHORT,
        say: (line) => said.push(line),
      });
      expect(problems, said.join('\n')).toEqual([]);
      expect(steps).toBe(SHORT.length);
    },
  );
});
