import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { type Person, population } from '../../src/cli/demo/population.js';
import type { Condition, Rule, RuleType } from '../../src/core/segments.js';
import type { TraitValue } from '../../src/core/values.js';
import { condition } from './conditions.js';
import type { BenchSegment } from './segments.js';

/** An environment as a feature-flag service has them: features, of which segments override some. */
export interface CheckEnvironment {
  readonly key: string;
  /** Their keys are numbers, as those of Flagsmith are. */
  readonly segments: readonly BenchSegment[];
  readonly features: number;
}

const SEED = 438;
const FEATURES = 438;
const SEGMENTS = 23;
const LISTS = 30;
const VALUES_OF_A_LIST = 1_000;
/** Identifiers are drawn from as many numbers, so that some are in lists and most are not. */
const NUMBERS = 100_000;

type RandomGenerator = ReturnType<typeof xoroshiro128plus>;

/** The values of each list of LONG_LISTS, where they are stored lists instead. */
export function listValues(segment: BenchSegment): readonly string[] {
  return segment.definition.rules.flatMap(({ conditions }) => conditions[0]?.value.split(',') ?? []);
}

/** `count` identities whose traits the conditions are about; they differ in what a request brings. */
export function* checkPeople(count: number): Generator<Person> {
  const random = xoroshiro128plus(SEED + 1);
  let position = 0;
  for (const { traits } of population(SEED, count)) {
    // A prime that does not divide NUMBERS: no identifier comes twice before all have come.
    const identifier = `user-${(position++ * 7_919) % NUMBERS}`;
    const account = BigInt(uniformInt(random, 1, NUMBERS));
    yield { identifier, traits: { ...traits, spend: fraction(traits['spend']), account } };
  }
}

/** Never whole: the Node engine does not know 1.0 from 1. */
function fraction(spend: TraitValue | undefined): number {
  return typeof spend === 'number' ? Math.floor(spend) + 0.25 : 0.25;
}

/**
 * One condition each. What the Node engine reads otherwise than the Python one (the authority) is kept out: operands of another type than the trait,
 * patterns that are not anchored, NOT_EQUAL of versions, IN over 0, strings that look like numbers.
 */
const CONDITIONS: readonly ((random: RandomGenerator) => Condition)[] = [
  (random) => condition('plan', 'EQUAL', oneOf(random, ['free', 'basic', 'pro', 'scale', 'enterprise'])),
  (random) => condition('plan', 'NOT_EQUAL', oneOf(random, ['free', 'basic'])),
  (random) => condition('plan', 'IN', oneOf(random, ['pro,scale,enterprise', 'free,basic', 'basic,pro'])),
  (random) => condition('country', 'EQUAL', oneOf(random, ['US', 'GB', 'DE', 'JP'])),
  (random) => condition('country', 'IN', oneOf(random, ['DE,FR,ES,NL', 'US,CA', 'IN,BR,NG,JP'])),
  (random) => condition('age', 'GREATER_THAN', String(uniformInt(random, 18, 60))),
  (random) => condition('age', 'LESS_THAN_INCLUSIVE', String(uniformInt(random, 21, 70))),
  (random) => condition('sessions', 'GREATER_THAN_INCLUSIVE', String(uniformInt(random, 1, 500))),
  (random) => condition('sessions', 'MODULO', `${uniformInt(random, 2, 5)}|1`),
  (random) => condition('spend', 'LESS_THAN', `${uniformInt(random, 1, 900)}.5`),
  (random) => condition('spend', 'GREATER_THAN', `${uniformInt(random, 1, 900)}.5`),
  (random) => condition('app_version', 'GREATER_THAN_INCLUSIVE', `${uniformInt(random, 1, 4)}.2.0:semver`),
  (random) => condition('app_version', 'LESS_THAN', `${uniformInt(random, 2, 5)}.0.0:semver`),
  (random) => condition('device', 'REGEX', oneOf(random, ['^iPhone [0-9]+', '^(Pixel|Galaxy) ', '^.*1[2-5]$'])),
  (random) => condition('device', 'CONTAINS', oneOf(random, ['Galaxy', 'iPhone', 'Pixel'])),
  (random) => condition('email', 'CONTAINS', oneOf(random, ['@gmail.', '@outlook.', '.example'])),
  (random) => condition('email', 'NOT_CONTAINS', oneOf(random, ['@rollcall.example', '@acme.'])),
  (random) => condition('signed_up', 'GREATER_THAN', `202${uniformInt(random, 0, 4)}-06-30`),
  (random) => condition('beta', oneOf(random, ['IS_SET', 'IS_NOT_SET']), ''),
  () => condition('beta', 'EQUAL', 'true'),
  (random) => condition('$.identity.identifier', 'REGEX', `^user-${uniformInt(random, 1, 9)}`),
  (random) => condition('', 'PERCENTAGE_SPLIT', String(uniformInt(random, 5, 95))),
];

function mixedSegments(): BenchSegment[] {
  const random = xoroshiro128plus(SEED);
  return Array.from({ length: SEGMENTS }, (_, place) => ({
    key: String(place + 1),
    definition: { dialect: 'flagsmith', enabled: true, parent: '', rules: [mixedRule(random)] },
  }));
}

/** As Flagsmith's editor makes them: ALL of rules that each combine conditions. */
function mixedRule(random: RandomGenerator): Rule {
  const size = uniformInt(random, 2, 6);
  const conditions = Array.from({ length: size }, () => oneOf(random, CONDITIONS)(random));
  const inner = [conditions.slice(0, 2), conditions.slice(2, 4), conditions.slice(4)].filter(
    ({ length }) => length > 0,
  );
  const rules = inner.map((some) => ({
    type: oneOf<RuleType>(random, ['ANY', 'ANY', 'ALL', 'NONE']),
    conditions: some,
    rules: [],
  }));
  return { type: 'ALL', conditions: [], rules };
}

function listSegments(): BenchSegment[] {
  const random = xoroshiro128plus(SEED);
  return Array.from({ length: LISTS }, (_, place) => {
    const isOfAccounts = place % 3 === 0;
    const values = Array.from({ length: VALUES_OF_A_LIST }, () =>
      isOfAccounts ? String(uniformInt(random, 1, NUMBERS)) : `user-${uniformInt(random, 0, NUMBERS - 1)}`,
    );
    const listed = condition(isOfAccounts ? 'account' : '$.identity.identifier', 'IN', values.join(','));
    const rules: Rule[] = [{ type: 'ALL', conditions: [listed], rules: [] }];
    return { key: String(place + 1), definition: { dialect: 'flagsmith', enabled: true, parent: '', rules } };
  });
}

function oneOf<Value>(random: RandomGenerator, values: readonly Value[]): Value {
  const value = values[uniformInt(random, 0, values.length - 1)];
  if (value === undefined) throw new Error('there is nothing to choose from');
  return value;
}

/** Segments of two to six conditions each, on about ten traits, with every operator that both dialects have. */
export const MIXED: CheckEnvironment = { key: 'check-mixed', segments: mixedSegments(), features: FEATURES };

/** Segments of one long IN list each, of identifiers or of account numbers. */
export const LONG_LISTS: CheckEnvironment = { key: 'check-lists', segments: listSegments(), features: FEATURES };
