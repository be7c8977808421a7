import type { ChaosBroker, ChaosDatabase } from './world.js';
import { createRandom, type Random } from './random.js';

/** What can be done to the world; see `faults.ts`. */
export const FAULTS = [
  'kill at any moment',
  'kill after the identity rows',
  'kill before the commit',
  'kill within the commit',
  'kill after the commit, before the hint',
  'lose the answer to a commit',
  'stop and start',
  'join, then leave',
  'join, then die',
  'sleep beyond the session',
  'act as a zombie',
  'kill the broker',
  'kill the database',
  'cut the database connections',
  'cut all connections of a service',
  'freeze the way to the database',
  'freeze the way to the broker',
] as const;

export type Fault = (typeof FAULTS)[number];

/** One entry of a schedule. */
export interface Step {
  readonly number: number;
  readonly fault: Fault;
  /** Which of the two services that always run. */
  readonly victim: number;
  /** Before it, and how long it lasts, where that is for us to say. */
  readonly delayMs: number;
  readonly durationMs: number;
  /** Compare everything afterwards, with all writers at rest. */
  readonly isCheckpoint: boolean;
}

const STEPS_PER_CHECKPOINT = 6;

/** Faults without end in an order that follows from the seed: all of `faults`, shuffled, then all again. */
export function* schedule(seed: number, faults: readonly Fault[] = FAULTS): Generator<Step, never> {
  const random = createRandom(seed, 300);
  for (let number = 1; ;) {
    for (const fault of shuffled(random, faults)) {
      yield {
        number,
        fault,
        victim: random.int(0, 1),
        delayMs: random.int(0, 1_500),
        durationMs: random.int(300, 4_000),
        isCheckpoint: number % STEPS_PER_CHECKPOINT === 0,
      };
      number++;
    }
  }
}

/** Those faults that can be done to this broker and this database. */
export function possibleFaults(
  broker: ChaosBroker,
  database: ChaosDatabase,
  among: readonly Fault[] = FAULTS,
): Fault[] {
  return among.filter(
    (fault) =>
      (fault !== 'kill the broker' || broker.faults !== undefined) &&
      (fault !== 'kill the database' || database.killServer !== undefined),
  );
}

function shuffled(random: Random, faults: readonly Fault[]): Fault[] {
  const left = [...faults];
  const order: Fault[] = [];
  while (left.length > 0) order.push(...left.splice(random.int(0, left.length - 1), 1));
  return order;
}
