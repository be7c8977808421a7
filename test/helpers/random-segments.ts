import fc from 'fast-check';
import type { Change } from '../../src/core/changes.js';
import { OPERATORS } from '../../src/core/conditions/operators.js';
import type { Condition, Rule, RuleType, SegmentDefinition } from '../../src/core/segments.js';
import { formatTrait } from '../../src/core/trait-text.js';
import type { TraitValue } from '../../src/core/values.js';

/** Runs of a property test: `fallback`, or what ROLLCALL_TEST_RUNS says. */
export function runs(fallback: number): number {
  return Number(process.env['ROLLCALL_TEST_RUNS'] ?? fallback);
}

/** Checks a property `fallback` times and tells the seed and path of a failure, not the whole of a large counterexample. */
export async function checkProperty<T>(
  property: fc.IAsyncProperty<T>,
  fallback: number,
  given: { seed?: number; path?: string } = {},
): Promise<void> {
  const { failed, seed, counterexamplePath, errorInstance } = await fc.check(property, {
    numRuns: runs(fallback),
    endOnFailure: true,
    ...given,
  });
  if (failed)
    throw new Error(`the property fails with { seed: ${seed}, path: '${counterexamplePath ?? ''}' }`, {
      cause: errorInstance,
    });
}

/** Few keys and few values, so that random segments and random identities meet. */
const TRAIT_KEYS = ['plan', 'age', 'tags', '$.identity.identifier', '$.environment.name'];
const PROPERTIES = [
  ...TRAIT_KEYS,
  '$.identity.key',
  '$.identity.traits.plan',
  '$.identity.traits.tags.level',
  '$.identity.traits.tags[0]',
  '$..level',
  "$.identity.traits['age']",
  '$.identity.traits[?@ > 20]',
  '$.environment.key',
  '$.nothing',
  '',
];
const OPERANDS = [
  '',
  'pro',
  'free',
  'pr',
  '1',
  '21',
  '21.5',
  '20',
  'true',
  'False',
  '1.2.3:semver',
  'user-1',
  'user-2,user-3',
  'override-1',
  '["pro", 21]',
  'Env',
];

const OPERANDS_OF: Readonly<Record<string, readonly string[]>> = {
  MODULO: ['2|0', '3|1', '4|3', '1.5|0', 'x'],
  REGEX: ['pr', '.*1$', '[0-9]+', '', 'user-[12]', 'True'],
  PERCENTAGE_SPLIT: ['0', '25', '50', '90', '100', 'x'],
  IS_SET: [''],
  IS_NOT_SET: [''],
};

const traitValues: fc.Arbitrary<TraitValue> = fc.oneof(
  fc.constantFrom<TraitValue>('pro', 'free', '', '007', '21', '21.5', '1.2.3', '1.2.4-rc.1', 'user-1', true, false),
  fc.bigInt({ min: 18n, max: 24n }),
  fc.constantFrom<TraitValue>(21, 21.5, -1.5, 1e16, 2n ** 70n),
  fc.constantFrom<TraitValue>({ level: 1n }, { level: 'pro', deep: { level: 21n } }, ['pro', 1n], [], {}),
);

const traitTexts = traitValues.map(formatTrait);
const conditions = (references: readonly string[]): fc.Arbitrary<Condition> =>
  fc.oneof(
    {
      arbitrary: fc.constantFrom<string>(...OPERATORS, 'IS_NOT_SET').chain((operator) => plainCondition(operator)),
      weight: 8,
    },
    ...(references.length === 0
      ? []
      : [
          {
            arbitrary: fc.record({
              property: fc.constant(''),
              operator: fc.constantFrom('in_segment', 'not_in_segment'),
              value: fc.constantFrom(...references),
            }),
            weight: 1,
          },
        ]),
  );

function plainCondition(operator: string): fc.Arbitrary<Condition> {
  const operands = OPERANDS_OF[operator] ?? OPERANDS;
  return fc.record({
    property: fc.constantFrom(...PROPERTIES),
    operator: fc.constant(operator),
    value: fc.constantFrom(...operands),
  });
}

/** A definition that may refer to the segments `references`. */
export function definitions(references: readonly string[]): fc.Arbitrary<SegmentDefinition> {
  const { rule } = fc.letrec<{ rule: Rule }>((tie) => ({
    rule: fc.record({
      type: fc.constantFrom<RuleType>('ALL', 'ANY', 'NONE'),
      conditions: fc.array(conditions(references), { maxLength: 3 }),
      rules: fc.oneof({ maxDepth: 2 }, fc.constant([]), fc.array(tie('rule'), { maxLength: 2 })),
    }),
  }));
  return fc.record({
    dialect: fc.constant('flagsmith' as const),
    enabled: fc.integer({ min: 0, max: 9 }).map((dice) => dice > 0),
    parent: fc.constantFrom('', '', '', ...references.slice(0, 1)),
    rules: fc.array(rule, { minLength: 1, maxLength: 2 }),
  });
}

/** Segments s0, s1 and so on, each of which may refer to those before. */
export function segmentSets(count: number): fc.Arbitrary<ReadonlyMap<string, SegmentDefinition>> {
  const keys = Array.from({ length: count }, (_, index) => `s${index}`);
  return fc
    .tuple(...keys.map((_, index) => definitions(keys.slice(0, index))))
    .map((all) => new Map(all.map((definition, index) => [`s${index}`, definition])));
}

/** Traits of an identity as their JSON texts. */
export const traitMaps: fc.Arbitrary<ReadonlyMap<string, string>> = fc
  .array(fc.tuple(fc.constantFrom(...TRAIT_KEYS), traitTexts), { maxLength: 4 })
  .map((entries) => new Map(entries));

/** Changes of `user-0` to `user-<count - 1>`; in environments that are given their ordinals, by `idOf` the user's number and a second choice. */
export function changes(count: number, idOf?: (user: number, isSecond: boolean) => number): fc.Arbitrary<Change> {
  const removable = fc.array(fc.tuple(fc.constantFrom(...TRAIT_KEYS), fc.oneof(traitTexts, fc.constant(null))), {
    maxLength: 3,
  });
  return fc
    .record({
      user: fc.integer({ min: 0, max: count - 1 }),
      dice: fc.integer({ min: 0, max: 9 }),
      isSecond: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
      traits: traitMaps,
      some: removable,
      override: fc.constantFrom(undefined, undefined, 'override-1', 'override-2', '21'),
    })
    .map(({ user, dice, isSecond, traits, some, override }) => {
      const identity = {
        identifier: `user-${user}`,
        ...(override === undefined ? {} : { keyOverride: override }),
        ...(idOf === undefined ? {} : { identityId: idOf(user, isSecond) }),
      };
      if (dice < 2) return { kind: 'delete', ...identity, traits: new Map() };
      return dice < 6
        ? { kind: 'upsert', ...identity, traits }
        : { kind: 'set_traits', ...identity, traits: new Map(some) };
    });
}
