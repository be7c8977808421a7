import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BuildRanges, type Range } from '../../src/indexing/build-ranges.js';
import type { Environment } from '../../src/storage/environments.js';
import { MAX_COLUMN_TEXT } from '../../src/storage/scans.js';
import {
  applyTo,
  buildAll,
  condition,
  createApplier,
  createFixture,
  definition,
  type Fixture,
  membersOf,
  putSegment,
  upsert,
} from '../helpers/fixture.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

async function storeOrdinals(environment: Environment, first: number, count: number, step: number): Promise<void> {
  await fixture.database.sql`
    insert into identity (environment_id, id, identifier, traits)
    select ${environment.id}, ordinal, 'user-' || ordinal, '{}'
    from generate_series(${first}::bigint, ${first + (count - 1) * step}::bigint, ${step}::bigint) as ordinal`;
}

async function rangesOf(environment: Environment, denseChunks: number): Promise<Range[]> {
  const ranges = new BuildRanges(fixture.database.sql, environment.id, 0, denseChunks);
  const found: Range[] = [];
  for (let range = await ranges.next(); range !== undefined; range = await ranges.next()) found.push(range);
  return found;
}

describe('a build reads texts', () => {
  it('of any length and script, those about the length at which a column cuts them among them', async () => {
    const environment = await fixture.environment();
    const around = [1, MAX_COLUMN_TEXT - 3, MAX_COLUMN_TEXT - 2, MAX_COLUMN_TEXT - 1, MAX_COLUMN_TEXT, 70_000];
    const texts = ['x', 'é', '😀', '\n', '"'].flatMap((letter) => around.map((length) => letter.repeat(length)));
    const users = texts.flatMap((text, index) => [
      upsert(`ends-${index}`, { text: JSON.stringify(`${text}!`), rest: '1' }),
      upsert(`goes-on-${index}`, { text: JSON.stringify(`${text}!?`) }),
      upsert(`without-${index}`, { rest: '"!"' }),
    ]);
    await applyTo(createApplier(fixture.database), environment, ...users);
    await putSegment(fixture.database, environment, 'ends', definition([condition('text', 'REGEX', '(?s).*!$')]));
    await buildAll(fixture.database, environment);
    expect(await membersOf(fixture.database, environment, 'ends')).toEqual(
      texts.map((_text, index) => `ends-${index}`).sort(),
    );
  });

  it('of which each identity has another, and few that repeat', async () => {
    const environment = await fixture.environment();
    const users = Array.from({ length: 25_000 }, (_, n) =>
      upsert(`user-${n}`, { mail: `"user-${n}@${n % 3 === 0 ? 'a' : 'b'}.example"` }),
    );
    const applier = createApplier(fixture.database);
    for (let from = 0; from < users.length; from += 5_000)
      await applyTo(applier, environment, ...users.slice(from, from + 5_000));
    await putSegment(fixture.database, environment, 'a', definition([condition('mail', 'CONTAINS', '@a.')]));
    await buildAll(fixture.database, environment);
    expect((await membersOf(fixture.database, environment, 'a')).length).toBe(Math.ceil(25_000 / 3));
  });
});

describe('the ranges of a build', () => {
  it('are as wide as asked for where ordinals are dense, and leave out what is empty', async () => {
    const environment = await fixture.environment({ ordinalMode: 'given' });
    await storeOrdinals(environment, 1, 150_000, 1);
    await storeOrdinals(environment, 2 ** 24 + 70_000, 100_000, 1);
    const chunk = 2 ** 16;
    expect(await rangesOf(environment, 1)).toEqual(
      [0, 1, 2, 257, 258].map((place) => ({ from: place * chunk, until: (place + 1) * chunk })),
    );
  });

  it('grow where ordinals lie far apart, shrink where they are dense again, and never overlap or cross 2^32', async () => {
    const environment = await fixture.environment({ ordinalMode: 'given' });
    await storeOrdinals(environment, 5, 5_000, 1_000_000);
    await storeOrdinals(environment, 6 * 10 ** 9, 600_000, 1);
    const ranges = await rangesOf(environment, 1);
    expect(ranges.length).toBeLessThan(80);
    let until = 0;
    for (const range of ranges) {
      expect(range.from).toBeGreaterThanOrEqual(until);
      expect(Math.floor((range.until - 1) / 2 ** 32)).toBe(Math.floor(range.from / 2 ** 32));
      until = range.until;
    }
    const [inside] = await fixture.database.sql<{ most: number; all: number }[]>`
      select max(count)::int as most, sum(count)::int as all from (
        select count(*) from identity join unnest(
          ${fixture.database.sql.array(
            ranges.map(({ from }) => from),
            1016,
          )}::bigint[], ${fixture.database.sql.array(
            ranges.map((range) => range.until),
            1016,
          )}::bigint[]) as range (low, high)
        on environment_id = ${environment.id} and id >= low and id < high group by low) as counted`;
    expect(inside?.most).toBeLessThanOrEqual(8 * 2 ** 16);
    expect(inside?.all).toBe(605_000);
  });
});
