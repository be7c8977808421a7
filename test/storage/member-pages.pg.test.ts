import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OrdinalSet } from '../../src/core/bitmap.js';
import { readPages } from '../../src/query/member-pages.js';
import type { Environment } from '../../src/storage/environments.js';
import { densePrefix, readMemberPage } from '../../src/storage/member-pages.js';
import { createFixture, type Fixture } from '../helpers/fixture.js';

const IDENTITIES = 30_000;
const signal = new AbortController().signal;

let fixture: Fixture;
let environment: Environment;
beforeAll(async () => {
  fixture = await createFixture();
  environment = await fixture.environment({ ordinalMode: 'given' });
  await fixture.database.sql`
    insert into identity (environment_id, id, identifier, traits)
    select ${environment.id}, ordinal, 'user-' || ordinal, '{}' from generate_series(0, ${IDENTITIES - 1}::int) as ordinal`;
});
afterAll(() => fixture.drop());

const range = (from: number, to: number, step = 1): number[] =>
  Array.from({ length: Math.ceil((to - from) / step) }, (_, index) => from + index * step);

async function identifiersOf(ordinals: readonly number[]): Promise<string[]> {
  const page = await readMemberPage(fixture.database, environment.id, Float64Array.from(ordinals), signal);
  expect([...page.ordinals]).toEqual(ordinals);
  if (page.kind !== 'packed') throw new Error('the query gave other rows than those');
  return page.bytes.toString().split('\n').slice(0, -1);
}

describe('a page of identifiers', () => {
  it.each([
    ['of ordinals without a gap', range(100, 5_100)],
    ['of ordinals with few gaps', range(0, 9_000).filter((ordinal) => ordinal % 7 !== 3)],
    ['of ordinals far apart', range(5, IDENTITIES, 11)],
    ['of one ordinal', [IDENTITIES - 1]],
    ['of two neighbours', [0, 1]],
  ])('%s is exactly theirs, in their order', async (_, ordinals) => {
    expect(await identifiersOf(ordinals)).toEqual(ordinals.map((ordinal) => `user-${ordinal}`));
  });

  it('leaves out an ordinal that is not there, also where the others have no gap', async () => {
    const ordinals = Float64Array.from(range(IDENTITIES - 5, IDENTITIES + 5));
    const page = await readMemberPage(fixture.database, environment.id, ordinals, signal);
    expect([...page.ordinals]).toEqual(range(IDENTITIES - 5, IDENTITIES));
  });
});

describe('pages of members in runs', () => {
  const runs = [range(0, 4_000), range(24_000, 28_000), range(29_990, 29_999, 3)].flat();

  async function readAll(ordinals: readonly number[]) {
    const set = OrdinalSet.of(ordinals);
    const read: number[] = [];
    const sizes: number[] = [];
    const request = { set, revision: 1, after: -1, limit: set.size, includeTraits: false, signal };
    for await (const page of readPages(fixture.database, environment.id, request)) {
      read.push(...page.ordinals);
      sizes.push(page.ordinals.length);
    }
    return { read, sizes };
  }

  it('end before a gap that would make them sparse, and have every member once', async () => {
    expect(await readAll(runs)).toEqual({ read: runs, sizes: [100, 3_900, 3_952, 51] });
  });

  it('begin with few members, and share out the last ones, unless they are not worth it', async () => {
    const few = runs.slice(0, 1_000);
    expect(await readAll(few)).toEqual({ read: few, sizes: [100, 450, 450] });
    const sparse = range(0, 30_000, 5);
    expect(await readAll(sparse)).toEqual({ read: sparse, sizes: [100, 2_950, 2_950] });
    expect((await readAll(runs.slice(0, 400))).sizes).toEqual([100, 250, 50]);
    expect((await readAll(runs.slice(0, 100))).sizes).toEqual([100]);
  });

  it('are not cut where they are too short, nor where all is dense or all is sparse', () => {
    const prefix = (ordinals: number[]): number => densePrefix(Float64Array.from(ordinals));
    expect(prefix([])).toBe(0);
    expect(prefix([...range(0, 10), ...range(10_000, 10_010)])).toBe(20);
    expect(prefix([...range(0, 2_000), ...range(1_000_000, 1_000_500)])).toBe(2_000);
    expect(prefix(range(0, 20_000, 2))).toBe(10_000);
    expect(prefix(range(0, 200_000, 20))).toBe(10_000);
  });
});
