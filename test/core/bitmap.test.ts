import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK_SIZE, chunkOf, isChunkIntact, OrdinalSet } from '../../src/core/bitmap.js';
import { runs } from '../helpers/random-segments.js';

const PART = 2 ** 32;
/** Ordinals around the edges of chunks and of parts of 2^32, and small ones that meet each other. */
const ordinals = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.constantFrom(
    CHUNK_SIZE - 1,
    CHUNK_SIZE,
    CHUNK_SIZE + 1,
    PART - CHUNK_SIZE,
    PART - 1,
    PART,
    PART + 1,
    PART + CHUNK_SIZE,
    3 * PART + 5,
    Number.MAX_SAFE_INTEGER,
  ),
  fc.integer({ min: 0, max: 3 * CHUNK_SIZE }),
);
const lists = fc.array(ordinals, { maxLength: 60 });

function sorted(values: Iterable<number>): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}

const check = <T extends unknown[]>(property: fc.IProperty<T>): void => {
  fc.assert(property, { numRuns: runs(150) });
};

describe('a set of ordinals', () => {
  it('has what was added and not deleted, ascending, at any ordinal up to 2^53', () => {
    check(
      fc.property(lists, lists, (added, deleted) => {
        const set = OrdinalSet.of(added);
        set.deleteAll(deleted);
        const expected = sorted(added).filter((ordinal) => !deleted.includes(ordinal));
        expect([...set]).toEqual(expected);
        expect(set.size).toBe(expected.length);
        for (const ordinal of [...added, ...deleted]) expect(set.has(ordinal)).toBe(expected.includes(ordinal));
      }),
    );
  });

  it('combines with another as plain sets do, and leaves both as they were', () => {
    check(
      fc.property(lists, lists, (one, other) => {
        const [a, b] = [OrdinalSet.of(one), OrdinalSet.of(other)];
        expect([...a.and(b)]).toEqual(sorted(one).filter((ordinal) => other.includes(ordinal)));
        expect([...a.andNot(b)]).toEqual(sorted(one).filter((ordinal) => !other.includes(ordinal)));
        expect([...a.or(b)]).toEqual(sorted([...one, ...other]));
        expect(a.equals(b)).toBe(sorted(one).join() === sorted(other).join());
        expect(a.isSubsetOf(b)).toBe(one.every((ordinal) => other.includes(ordinal)));
        expect([[...a], [...b]]).toEqual([sorted(one), sorted(other)]);
      }),
    );
  });

  it('does not change with a result or a clone of it', () => {
    const [a, b] = [OrdinalSet.of([1, PART]), OrdinalSet.of([2])];
    for (const other of [a.clone(), a.or(b), a.and(a), a.andNot(b)]) other.addAll([7, PART + 7, 3 * PART]);
    expect([...a]).toEqual([1, PART]);
    expect([...b]).toEqual([2]);
  });

  it('knows ranks and positions', () => {
    check(
      fc.property(lists, ordinals, (list, one) => {
        const set = OrdinalSet.of(list);
        const all = sorted(list);
        expect(set.rank(one)).toBe(all.filter((ordinal) => ordinal <= one).length);
        expect(all.map((_, rank) => set.at(rank))).toEqual(all);
        expect(set.at(all.length)).toBeUndefined();
      }),
    );
  });

  it('gives pages that put together are all of it, whatever their size', () => {
    check(
      fc.property(lists, fc.integer({ min: 1, max: 7 }), ordinals, (list, size, start) => {
        const set = OrdinalSet.of(list);
        const read: number[] = [];
        for (let page = set.page(-1, size); page.length > 0; page = set.page(page.at(-1) ?? 0, size))
          read.push(...page);
        expect(read).toEqual(sorted(list));
        expect([...set.page(start, size)]).toEqual(
          sorted(list)
            .filter((ordinal) => ordinal > start)
            .slice(0, size),
        );
      }),
    );
  });

  it('is the same after it was stored chunk by chunk', () => {
    check(
      fc.property(lists, (list) => {
        const set = OrdinalSet.of(list);
        const numbers = [...set.chunkNumbers()];
        expect(numbers).toEqual(sorted(list.map(chunkOf)));
        const chunks = numbers.flatMap((number) => set.chunk(number) ?? []);
        expect(chunks.every(isChunkIntact)).toBe(true);
        expect([...OrdinalSet.fromChunks(chunks)]).toEqual(sorted(list));
      }),
    );
  });

  it('is dealt out to shards, each ordinal to one and at every revision the same', () => {
    check(
      fc.property(lists, ordinals, fc.integer({ min: 1, max: 5 }), (list, later, count) => {
        const shards = Array.from({ length: count }, (_, index) => OrdinalSet.of(list).shard(index, count));
        expect(sorted(shards.flatMap((shard) => [...shard]))).toEqual(sorted(list));
        expect(shards.reduce((sum, shard) => sum + shard.size, 0)).toBe(sorted(list).length);
        shards.forEach((shard, index) =>
          expect(shard.isSubsetOf(OrdinalSet.of([...list, later]).shard(index, count))).toBe(true),
        );
      }),
    );
  });

  it('takes the offsets of a scanned range', () => {
    const set = OrdinalSet.of([1]);
    set.addOffsets(0, Uint32Array.of(5, 3));
    set.addOffsets(PART + CHUNK_SIZE, Uint32Array.of(0, 9));
    expect([...set]).toEqual([1, 3, 5, PART + CHUNK_SIZE, PART + CHUNK_SIZE + 9]);
  });
});

describe('a stored chunk', () => {
  const whole = OrdinalSet.of([
    PART + 1,
    PART + 5,
    PART + 70,
    ...Array.from({ length: 5000 }, (_, index) => PART + 100 + index * 3),
  ]).chunk(CHUNK_SIZE);
  if (whole === undefined) throw new Error('there is no chunk');

  it('has the same bytes for the same ordinals, whatever they were before (I9)', () => {
    const ordinals = fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 40 });
    fc.assert(
      fc.property(ordinals, ordinals, (before, after) => {
        const stored = OrdinalSet.of(before).chunk(0);
        const set = OrdinalSet.fromChunks(stored === undefined ? [] : [stored]);
        for (const ordinal of before) if (!after.includes(ordinal)) set.delete(ordinal);
        for (const ordinal of after) set.add(ordinal);
        expect(set.chunk(0)).toEqual(OrdinalSet.of(after).chunk(0));
      }),
      {
        examples: [
          [
            [5, 6, 7, 8, 9, 10, 11],
            [5, 6, 7],
          ],
        ],
      },
    );
  });

  it('is at most about 8 KiB', () => {
    const scattered = OrdinalSet.of(Array.from({ length: CHUNK_SIZE / 2 }, (_, index) => index * 2)).chunk(0);
    expect(scattered?.bitmap.length).toBeLessThan(8192 + 64);
    expect(scattered !== undefined && isChunkIntact(scattered)).toBe(true);
  });

  it('is not intact with any byte changed (I9)', () => {
    fc.assert(
      fc.property(fc.nat({ max: whole.bitmap.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const bitmap = Uint8Array.from(whole.bitmap);
        bitmap[at] = (bitmap[at] ?? 0) ^ mask;
        expect(isChunkIntact({ ...whole, bitmap })).toBe(false);
      }),
      { numRuns: runs(100) },
    );
  });

  it('is not intact when cut short, empty, miscounted, mischecked or under another number (I9)', () => {
    for (const damage of [
      { bitmap: whole.bitmap.subarray(0, -1) },
      { bitmap: new Uint8Array() },
      { cardinality: whole.cardinality - 1 },
      { crc32c: whole.crc32c ^ 1 },
      { chunk: whole.chunk + 1 },
      { chunk: 0 },
    ]) {
      expect(isChunkIntact({ ...whole, ...damage })).toBe(false);
    }
    expect(isChunkIntact(whole)).toBe(true);
  });
});
