import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFlips, encodeFlips, FlipCollector, type RevisionFlips } from '../../src/core/flips.js';
import { runs } from '../helpers/random-segments.js';

const ordinals = fc.oneof(
  fc.maxSafeNat(),
  fc.nat({ max: 300 }),
  fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
const flips = fc.array(fc.tuple(fc.oneof(fc.nat({ max: 5 }), fc.maxSafeNat()), ordinals, fc.boolean()), {
  maxLength: 50,
});

function collect(list: readonly (readonly [number, number, boolean])[], catalogChanged: boolean): RevisionFlips {
  const collector = new FlipCollector();
  const seen = new Set<string>();
  for (const [atomId, ordinal, isSet] of list) {
    const key = `${atomId} ${ordinal}`;
    if (!seen.has(key)) collector.add(atomId, ordinal, isSet);
    seen.add(key);
  }
  return collector.finish(catalogChanged);
}

describe('the flips of a revision', () => {
  it('are read as they were written, whatever the ordinals', () => {
    fc.assert(
      fc.property(flips, fc.boolean(), (list, catalogChanged) => {
        const written = collect(list, catalogChanged);
        expect(decodeFlips(encodeFlips(written))).toEqual(written);
      }),
      { numRuns: runs(200) },
    );
  });

  it('take two or three bytes each where they are scattered', () => {
    const written = collect(
      Array.from({ length: 500 }, (_, index) => [1, index * 6000, true] as const),
      false,
    );
    expect(encodeFlips(written).length).toBeLessThan(500 * 3);
  });

  it('are refused when the row is empty, cut short, longer than it should be, or has any byte changed', () => {
    const bytes = encodeFlips(
      collect(
        [
          [0, 5, true],
          [3, 2 ** 40, false],
          [3, 7, true],
        ],
        false,
      ),
    );
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeFlips(bytes.subarray(0, length))).toThrow('log row');
    expect(() => decodeFlips(Buffer.concat([bytes, Buffer.from([0])]))).toThrow('log row');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => decodeFlips(changed)).toThrow('log row');
    }
  });
});
