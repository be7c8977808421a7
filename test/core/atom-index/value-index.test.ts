import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AtomDefinition } from '../../../src/core/atoms.js';
import { compileAtomMatcher } from '../../../src/core/conditions/atom-matcher.js';
import type { Operator } from '../../../src/core/conditions/operators.js';
import { ValueIndex } from '../../../src/core/atom-index/value-index.js';
import type { ConditionValue } from '../../../src/core/values.js';
import { atomDefinitions, conditionValues } from '../../helpers/atom-definitions.js';

const atoms = fc.array(atomDefinitions(fc.constant({ kind: 'trait', property: 'x' })), { maxLength: 60 });
const values = fc.option(conditionValues, { nil: undefined, freq: 8 });

type Flips = readonly (readonly [number, boolean])[];

function flipsOf(index: ValueIndex, before: ConditionValue | undefined, after: ConditionValue | undefined): Flips {
  const flips: [number, boolean][] = [];
  index.flips(before, after, (atomId, isSet) => flips.push([atomId, isSet]));
  return flips.sort(([a], [b]) => a - b);
}

/** What the index must report, by evaluating every atom for both values. */
function expectedFlips(
  definitions: readonly AtomDefinition[],
  before: ConditionValue | undefined,
  after: ConditionValue | undefined,
): Flips {
  return definitions.flatMap((definition, atomId) => {
    const matches = compileAtomMatcher(definition);
    const [old, now] = [before, after].map((value) => value !== undefined && matches(value));
    return old === now || now === undefined ? [] : [[atomId, now] as const];
  });
}

function indexOf(definitions: readonly AtomDefinition[]): ValueIndex {
  const index = new ValueIndex();
  definitions.forEach((definition, atomId) => index.add(atomId, definition));
  return index;
}

function atom(operator: Operator, operand: string): AtomDefinition {
  return { dialect: 'flagsmith', kind: 'trait', property: 'x', operator, operand, list: '', segmentKey: '' };
}

describe('the atoms over one property', () => {
  test('that flip are exactly those whose truth differs', () => {
    fc.assert(
      fc.property(atoms, values, values, (definitions, before, after) => {
        expect(flipsOf(indexOf(definitions), before, after)).toEqual(expectedFlips(definitions, before, after));
      }),
      { numRuns: 2000 },
    );
  });

  test('that were removed never flip', () => {
    fc.assert(
      fc.property(atoms, fc.array(fc.nat({ max: 59 })), values, values, (definitions, removed, before, after) => {
        const index = indexOf(definitions);
        for (const atomId of removed) index.remove(atomId);
        const expected = expectedFlips(definitions, before, after).filter(([atomId]) => !removed.includes(atomId));
        expect(flipsOf(index, before, after)).toEqual(expected);
        expect(index.size).toBe(definitions.filter((_, atomId) => !removed.includes(atomId)).length);
      }),
      { numRuns: 500 },
    );
  });

  test('are each true as their matcher says, and false for a missing value', () => {
    fc.assert(
      fc.property(atoms, values, (definitions, value) => {
        const index = indexOf(definitions);
        const truths = definitions
          .map((_, atomId) => [atomId, index.isTrue(atomId, value)])
          .filter(([, isTrue]) => isTrue);
        expect(truths).toEqual(expectedFlips(definitions, undefined, value));
      }),
    );
  });

  test('find a long list in its own set and report an atom that holds both values not at all', () => {
    const index = new ValueIndex();
    const long = new Set(Array.from({ length: 5000 }, (_, number) => String(number)));
    index.add(1, { ...atom('IN', ''), list: 'sha' }, long);
    index.add(2, atom('IN', '7,8'));
    expect(flipsOf(index, undefined, 7n)).toEqual([
      [1, true],
      [2, true],
    ]);
    expect(flipsOf(index, 7n, '8')).toEqual([]);
    expect(flipsOf(index, 8n, 9n)).toEqual([[2, false]]);
    expect(flipsOf(index, 4999n, 5000n)).toEqual([[1, false]]);
    expect(flipsOf(index, 4999.5, 'x')).toEqual([]);
    index.remove(1);
    expect(flipsOf(index, undefined, 10n)).toEqual([]);
  });

  test('tell -0.0 from 0.0 where they look at texts, and nowhere else', () => {
    const index = indexOf([
      atom('REGEX', '-'),
      atom('EQUAL', '0.0'),
      atom('LESS_THAN', '0'),
      atom('NOT_EQUAL', '-0.0'),
    ]);
    expect(flipsOf(index, 0, -0)).toEqual([[0, true]]);
  });

  test('cost no more to search when there are many that do not flip', () => {
    const few = indexOf(ladder(100));
    const many = indexOf(ladder(20_000));
    expect(flipsOf(many, 15n, 16n)).toEqual(flipsOf(few, 15n, 16n));
    const [cheap, dear] = [few, many].map((index) => Math.min(...[1, 2, 3].map(() => timeOf(index))));
    expect(dear).toBeLessThan((cheap ?? 0) * 20 + 1);
  });
});

function ladder(count: number): AtomDefinition[] {
  const operators: readonly Operator[] = ['EQUAL', 'NOT_EQUAL', 'GREATER_THAN', 'LESS_THAN_INCLUSIVE', 'IN'];
  return Array.from({ length: count }, (_, number) =>
    atom(operators[number % operators.length] ?? 'EQUAL', String(Math.floor(number / operators.length))),
  );
}

/** Milliseconds of many searches. */
function timeOf(index: ValueIndex): number {
  const start = performance.now();
  for (let run = 0; run < 5000; run++) index.flips(15n, 16n, () => undefined);
  return performance.now() - start;
}
