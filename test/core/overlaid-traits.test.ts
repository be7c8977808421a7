import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Change } from '../../src/core/changes.js';
import { OverlaidTraits } from '../../src/core/overlaid-traits.js';
import { joinTraits } from '../../src/core/trait-text.js';
import { UnreadTraits } from '../../src/core/unread-traits.js';
import { changeTraits } from '../helpers/change-traits.js';

const keys: fc.Arbitrary<string> = fc.constantFrom('a', 'b', 'c', 'd');
const texts = fc.constantFrom('1', '2', '"x"', 'null', null);
const stored = fc.uniqueArray(fc.tuple(keys, fc.constantFrom('1', '2')), { selector: ([key]) => key });
const unread = fc
  .array(fc.tuple(keys, fc.constantFrom('1', '2', '"x"')), { minLength: 1, maxLength: 6 })
  .map((members) => new UnreadTraits(`{${members.map(([key, text]) => `"${key}":${text}`).join(',')}}`));
const changes: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('upsert', 'set_traits'),
  identifier: fc.constant('i'),
  traits: fc.oneof(
    fc.uniqueArray(fc.tuple(keys, texts), { selector: ([key]) => key }).map((traits) => new Map(traits)),
    unread,
  ),
});

describe('traits over those before', () => {
  test('are what the changes make of them, and differ from those before in the keys that they name', () => {
    fc.assert(
      fc.property(stored, fc.boolean(), fc.array(changes, { maxLength: 5 }), (entries, isAnew, all) => {
        const before = new Map(entries);
        let traits = isAnew ? OverlaidTraits.without(before) : new OverlaidTraits(before);
        let expected = isAnew ? new Map<string, string>() : before;
        for (const change of all) {
          const next = traits.changedBy(change);
          const wanted = changeTraits(expected, change);
          expect(new Map(next)).toEqual(wanted);
          expect(next === traits).toBe(isSame(wanted, expected));
          [traits, expected] = [next, wanted];
        }
        const union = new Set<string>([...before.keys(), ...expected.keys()]);
        const differing = [...union].filter((key) => before.get(key) !== expected.get(key));
        expect(new Map(traits.differences)).toEqual(new Map(differing.map((key) => [key, expected.get(key)])));
        for (const key of ['a', 'b', 'c', 'd', 'e']) {
          expect(traits.get(key)).toBe(expected.get(key));
          expect(traits.has(key)).toBe(expected.has(key));
        }
        expect(traits.size).toBe(expected.size);
        const text = joinTraits(expected);
        expect(JSON.parse(traits.text)).toEqual(JSON.parse(text));
        if (before.size === 0) expect(traits.lengthOfDifferences).toBeGreaterThanOrEqual(text.length - 2);
        expect(before).toEqual(new Map(entries));
      }),
    );
  });
});

function isSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, text]) => b.get(key) === text);
}
