import { parseArgs } from 'node:util';

export const SCENARIOS = ['count', 'stream', 'apply', 'build', 'drain'] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** What one run measures. */
export interface BenchOptions {
  readonly identities: number;
  /** Loads the identities again, even where they are there from an earlier run. */
  readonly isFresh: boolean;
  /** How often each thing is measured; odd, so that a median is a measured value. */
  readonly rounds: number;
  readonly scenarios: ReadonlySet<Scenario>;
}

const QUICK_IDENTITIES = 50_000;
const FULL_IDENTITIES = 3_000_000;

export const USAGE = `npm run bench -- [--identities N] [--quick] [--rounds N] [--fresh] [--only ${SCENARIOS.join(',')}]`;

/** Reads the command line. Throws a TypeError or RangeError that says what is wrong. */
export function readBenchOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      identities: { type: 'string' },
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      fresh: { type: 'boolean', default: false },
      only: { type: 'string', default: SCENARIOS.join(',') },
    },
  });
  return {
    identities: wholeNumber('--identities', values.identities, values.quick ? QUICK_IDENTITIES : FULL_IDENTITIES),
    rounds: wholeNumber('--rounds', values.rounds, values.quick ? 3 : 7),
    isFresh: values.fresh,
    scenarios: new Set(values.only.split(',').map(scenarioNamed)),
  };
}

function wholeNumber(option: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text.replaceAll('_', ''));
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`${option} takes a whole number, not '${text}'`);
}

function scenarioNamed(name: string): Scenario {
  const scenario = SCENARIOS.find((known) => known === name);
  if (scenario === undefined) throw new RangeError(`there is no scenario '${name}': ${SCENARIOS.join(', ')}`);
  return scenario;
}
