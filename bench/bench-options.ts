import { parseArgs } from 'node:util';
import { type Distribution, DISTRIBUTIONS } from './world/ordinals.js';

export const SCENARIOS = [
  'count',
  'check',
  'stream',
  'apply',
  'build',
  'import',
  'load',
  'fold',
  'cold-start',
  'catch-up',
  'drain',
  'scale',
  'growth',
  'simulate',
] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** What one run measures. */
export interface BenchOptions {
  /** Worlds of so many identities, one after the other. */
  readonly identities: readonly number[];
  readonly distribution: Distribution;
  /** Loads the identities again, even where they are there from an earlier run. */
  readonly isFresh: boolean;
  /** How often each thing is measured; odd, so that a median is a measured value. */
  readonly rounds: number;
  readonly scenarios: ReadonlySet<Scenario>;
  /** A smoke, whose figures are not for BENCHMARKS.md. */
  readonly isQuick: boolean;
  /** Measures nothing: writes BENCHMARKS.md from the figures that are kept. */
  readonly isReportOnly: boolean;
}

/** Left out unless they are asked for: they tell of no world of its own. */
const ASKED_FOR_ONLY: ReadonlySet<Scenario> = new Set(['simulate']);
const DEFAULT_SCENARIOS = SCENARIOS.filter((name) => !ASKED_FOR_ONLY.has(name)).join(',');

const QUICK_IDENTITIES = 20_000;
const FULL_IDENTITIES = 3_000_000;

export const USAGE = `npm run bench -- [--identities N,…] [--distribution ${DISTRIBUTIONS.join('|')}] [--quick] [--rounds N] [--fresh] [--simulate] [--report] [--only ${SCENARIOS.join(',')}]`;

/** Reads the command line. Throws a TypeError or RangeError that says what is wrong. */
export function readBenchOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      identities: { type: 'string' },
      distribution: { type: 'string', default: 'dense' },
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      fresh: { type: 'boolean', default: false },
      simulate: { type: 'boolean', default: false },
      report: { type: 'boolean', default: false },
      only: { type: 'string' },
    },
  });
  return {
    identities: (values.identities ?? String(values.quick ? QUICK_IDENTITIES : FULL_IDENTITIES))
      .split(',')
      .map((text) => wholeNumber('--identities', text, 0)),
    distribution: oneOf('distribution', DISTRIBUTIONS, values.distribution),
    rounds: wholeNumber('--rounds', values.rounds, values.quick ? 3 : 7),
    isFresh: values.fresh,
    scenarios: new Set(
      (values.only ?? (values.simulate ? 'simulate' : DEFAULT_SCENARIOS))
        .split(',')
        .map((name) => oneOf('scenario', SCENARIOS, name)),
    ),
    isQuick: values.quick,
    isReportOnly: values.report,
  };
}

function wholeNumber(option: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text.replaceAll('_', ''));
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`${option} takes a whole number, not '${text}'`);
}

function oneOf<Name extends string>(what: string, names: readonly Name[], given: string): Name {
  const name = names.find((known) => known === given);
  if (name === undefined) throw new RangeError(`there is no ${what} '${given}': ${names.join(', ')}`);
  return name;
}
