import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OrdinalSet } from '../../src/core/bitmap.js';
import { checkMembership } from '../../src/query/check.js';
import { explain } from '../../src/query/explain.js';
import { listPage, readPages } from '../../src/query/member-pages.js';
import { START } from '../../src/query/resume.js';
import { sampleOrdinals } from '../../src/query/sample.js';
import { countMembers, select, type Target } from '../../src/query/select.js';
import type { Environment, OrdinalMode } from '../../src/storage/environments.js';
import {
  applyTo,
  buildAll,
  condition,
  createApplier,
  createFixture,
  createIndex,
  definition,
  type Fixture,
  ordinalsWhere,
  putSegment,
  readTruth,
  upsert,
} from '../helpers/fixture.js';
import { isMember } from '../helpers/oracle.js';
import { changes, checkProperty, segmentSets } from '../helpers/random-segments.js';

const USERS = 60;
const signal = new AbortController().signal;
const latest = { level: 'latest' } as const;

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

const cases = fc.constantFrom<OrdinalMode>('allotted', 'given').chain((mode) =>
  fc.record({
    mode: fc.constant(mode),
    segments: segmentSets(4),
    all: fc.array(changes(USERS, mode === 'given' ? (user) => user * 40_000 : undefined), {
      minLength: 20,
      maxLength: 150,
    }),
    seed: fc.bigInt({ min: 0n, max: 2n ** 63n }),
  }),
);

async function streamed(environment: Environment, set: OrdinalSet, includeTraits: boolean): Promise<string[]> {
  const identifiers: string[] = [];
  for await (const page of readPages(fixture.database, environment.id, {
    revision: 1,
    set,
    after: START,
    limit: Infinity,
    includeTraits,
    signal,
  })) {
    if (page.kind === 'packed') identifiers.push(...page.bytes.toString().split('\n').slice(0, -1));
    else if (page.kind === 'listed') identifiers.push(...page.identifiers);
    else identifiers.push(...page.identities.map(({ identifier }) => identifier));
  }
  return identifiers;
}

describe('I6: count = number of streamed members; sample is among the members; check(x) exactly if x is streamed', () => {
  it('and all of them are what a naive evaluation says, for random segments and identities', async () => {
    await checkProperty(
      fc.asyncProperty(cases, async ({ mode, segments, all, seed }) => {
        const environment = await fixture.environment({ ordinalMode: mode });
        for (const [key, definition] of segments) await putSegment(fixture.database, environment, key, definition);
        await applyTo(createApplier(fixture.database), environment, ...all);
        await buildAll(fixture.database, environment);
        const truth = await readTruth(fixture.database, environment);
        const index = createIndex(fixture.database, environment);
        for (const key of segments.keys()) {
          const target: Target = { kind: 'segment', key };
          const { set } = await select(fixture.database, index, target, latest);
          const isIn = (identity: (typeof truth.identities)[number]): boolean =>
            isMember(key, identity, { environment, definitions: segments });
          const expected = truth.identities.filter(isIn).map(({ identifier }) => identifier);
          expect([...set], key).toEqual(ordinalsWhere(truth, isIn));
          expect((await countMembers(fixture.database, index, target, latest)).count).toBe(expected.length);
          expect(await streamed(environment, set, false)).toEqual(expected);
          expect(await streamed(environment, set, true)).toEqual(expected);
          const sample = sampleOrdinals(set, 5, seed);
          expect(sample.length).toBe(Math.min(5, expected.length));
          expect(new Set(sample).size).toBe(sample.length);
          expect([...sample].every((ordinal) => set.has(ordinal))).toBe(true);
          expect(sampleOrdinals(set, 5, seed)).toEqual(sample);
        }
        for (const { identifier, id } of truth.identities.slice(0, 8)) {
          const { results } = await checkMembership(
            fixture.database,
            index,
            { kind: 'identifier', identifier },
            [...segments.keys()],
            latest,
          );
          const expected = [...segments.keys()].map((key) =>
            truth.identities.some((one) => one.id === id && isMember(key, one, { environment, definitions: segments })),
          );
          expect(results.map((result) => 'isMember' in result && result.isMember)).toEqual(expected);
          const [identity] = truth.identities.filter((one) => one.id === id);
          const inline = { kind: 'inline', identifier, traits: identity?.traits ?? new Map<string, string>() } as const;
          const drafted = await checkMembership(fixture.database, index, inline, [...segments.keys()], latest);
          expect(drafted.results.map((result) => 'isMember' in result && result.isMember)).toEqual(expected);
          const { root } = await explain(
            fixture.database,
            index,
            { kind: 'segment', key: 's3' },
            { kind: 'id', id },
            latest,
          );
          expect(root.isTrue).toBe(expected[3]);
        }
      }),
      15,
    );
  });

  it('and pages of any size, with and without a query, are the members in ordinal order', async () => {
    const environment = await fixture.environment();
    const identifiers = Array.from({ length: 130 }, (_, user) => `${user % 3 === 0 ? 'Ünï%_' : 'user'}-${user}`);
    await applyTo(
      createApplier(fixture.database),
      environment,
      ...identifiers.map((identifier) => ({ kind: 'upsert' as const, identifier, traits: new Map() })),
    );
    await putSegment(fixture.database, environment, 'all', {
      dialect: 'flagsmith',
      enabled: true,
      parent: '',
      rules: [{ type: 'ALL', conditions: [], rules: [] }],
    });
    const index = createIndex(fixture.database, environment);
    const selection = await select(fixture.database, index, { kind: 'segment', key: 'all' }, latest);
    for (const [query, expected] of [
      ['', identifiers],
      ['ünÏ%_', identifiers.filter((one) => one.startsWith('Ü'))],
      ['R-1', identifiers.filter((one) => one.includes('r-1'))],
      ['none', []],
    ] as const) {
      for (const size of [1, 5, 16, 100]) {
        const read: string[] = [];
        for (let after: number | undefined = START; after !== undefined;) {
          const page = await listPage(fixture.database, index, selection, {
            after,
            size,
            query,
            includeTraits: false,
            signal,
          });
          expect(page.identities.length).toBeLessThanOrEqual(size);
          read.push(...page.identities.map(({ identifier }) => identifier));
          after = page.nextAfter;
        }
        expect([query, size, read]).toEqual([
          query,
          size,
          [...expected].sort((a, b) => identifiers.indexOf(a) - identifiers.indexOf(b)),
        ]);
      }
    }
  });
});

describe('I6: a member that is not to be found any more', () => {
  it('ends a stream and a page with CURSOR_EXPIRED: what is missing is never passed over', async () => {
    const environment = await fixture.environment();
    await applyTo(createApplier(fixture.database), environment, ...['a', 'b', 'c'].map((name) => upsert(name)));
    await putSegment(fixture.database, environment, 'all', definition([condition('none', 'IS_NOT_SET')]));
    await buildAll(fixture.database, environment);
    const index = createIndex(fixture.database, environment);
    const selection = await select(fixture.database, index, { kind: 'segment', key: 'all' }, latest);
    await fixture.database.sql`delete from identity where environment_id = ${environment.id} and identifier = 'b'`;
    const isExpired = { reason: 'CURSOR_EXPIRED' };
    await expect(streamed(environment, selection.set, false)).rejects.toMatchObject(isExpired);
    await expect(streamed(environment, selection.set, true)).rejects.toMatchObject(isExpired);
    const page = { after: START, size: 10, query: '', includeTraits: false, signal };
    await expect(listPage(fixture.database, index, selection, page)).rejects.toMatchObject(isExpired);
  });
});
