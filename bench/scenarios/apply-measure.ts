import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { median, timed } from '../measure/statistics.js';
import type { Batch } from './apply-changes.js';

/** One way of applying batches. */
export interface Side {
  readonly what: string;
  /** The batches of a round, as the database is now; not timed. */
  readonly prepare: () => Promise<readonly Batch[]>;
  readonly write: (batch: Batch) => Promise<void>;
}

/** Events in a second, and CPU seconds of this process in a round: medians over the rounds. */
export interface Measured {
  readonly what: string;
  readonly rate: number;
  readonly cpuSeconds: number;
  readonly cpuMicrosecondsPerEvent: number;
}

setFlagsFromString('--expose-gc');

function collectGarbage(): void {
  runInNewContext('gc()');
}

/** Rounds that are not measured: a service runs for longer than compiling it takes. */
const WARM_UP_ROUNDS = 3;

/** Measures the sides in turn, in each round another one first, after WARM_UP_ROUNDS. */
export async function measureSides(sides: readonly Side[], rounds: number): Promise<Measured[]> {
  const seen = sides.map((side) => ({ side, rates: [] as number[], cpu: [] as number[], perEvent: [] as number[] }));
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    const first = (round + WARM_UP_ROUNDS) % seen.length;
    for (const { side, rates, cpu, perEvent } of [...seen.slice(first), ...seen.slice(0, first)]) {
      const batches = await side.prepare();
      const events = batches.reduce((sum, { rows }) => sum + rows.length, 0);
      // What was drawn is not the writer's: it would be moved about in the time that is measured.
      collectGarbage();
      const before = process.cpuUsage();
      const ms = await timed(async () => {
        for (const batch of batches) await side.write(batch);
      });
      const { user, system } = process.cpuUsage(before);
      if (round < 0) continue;
      rates.push((events / ms) * 1000);
      cpu.push((user + system) / 1e6);
      perEvent.push((user + system) / events);
    }
  }
  return seen.map(({ side, rates, cpu, perEvent }) => ({
    what: side.what,
    rate: median(rates),
    cpuSeconds: median(cpu),
    cpuMicrosecondsPerEvent: median(perEvent),
  }));
}
