import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Condition } from '../../src/core/segments.js';
import { putList } from '../../src/indexing/segment-writer.js';
import { type Check, checkMembership } from '../../src/query/check.js';
import type { EnvironmentIndex } from '../../src/query/environment-index.js';
import { inlineTruth } from '../../src/query/identity-truth.js';
import type { Freshness } from '../../src/query/select.js';
import type { Environment } from '../../src/storage/environments.js';
import {
  applyTo,
  buildAll,
  condition,
  createApplier,
  createFixture,
  createIndex,
  definition,
  type Fixture,
  putSegment,
  upsert,
} from '../helpers/fixture.js';

const identity = { kind: 'inline', identifier: 'someone', traits: new Map([['plan', '"pro"']]) } as const;

let fixture: Fixture;
let environment: Environment;
let index: EnvironmentIndex;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

async function begin(options: Partial<Environment>, segments: Readonly<Record<string, Condition>>): Promise<void> {
  environment = await fixture.environment(options);
  for (const [key, one] of Object.entries(segments))
    await putSegment(fixture.database, environment, key, definition([one]));
  await buildAll(fixture.database, environment);
  index = createIndex(fixture.database, environment);
}

const check = (segments: readonly string[] = [], freshness: Freshness = { level: 'latest' }): Promise<Check> =>
  checkMembership(fixture.database, index, identity, segments, freshness);
const outcomes = ({ results }: Check): unknown[] =>
  results.map((result) => ('error' in result ? result.error.reason : result.isMember));

describe('an identity given inline', () => {
  it('has no key where the key is its id: what depends on that says so, the rest is answered (I10)', async () => {
    const segments = {
      pro: condition('plan', 'EQUAL', 'pro'),
      split: condition('', 'PERCENTAGE_SPLIT', '50'),
      keyed: condition('$.identity.key', 'EQUAL', '7'),
      searched: condition('$.identity.*', 'EQUAL', '7'),
    };
    await begin({ identityKeyMode: 'id' }, segments);
    expect(outcomes(await check(Object.keys(segments)))).toEqual([
      true,
      'INVALID_REQUEST',
      'INVALID_REQUEST',
      'INVALID_REQUEST',
    ]);
    await begin({ identityKeyMode: 'composite' }, { split: segments.split });
    expect(outcomes(await check())).toEqual([expect.any(Boolean)]);
  });

  describe('and a stored list', () => {
    beforeEach(async () => {
      environment = await fixture.environment();
      const { sha256 } = await putList(
        fixture.database,
        { project: environment.project, name: 'plans', values: new Set(['pro', 'max']) },
        'test',
      );
      const inList = { ...condition('plan', 'IN'), list: { name: 'plans', sha256 } };
      await putSegment(fixture.database, environment, 'listed', definition([inList]));
      index = createIndex(fixture.database, environment);
    });

    it('are compared with the list read once, as its content never changes', async () => {
      expect(outcomes(await check())).toEqual([true]);
      await fixture.database.sql`with unnamed as (delete from operand_list_name) delete from operand_list`;
      expect(outcomes(await check())).toEqual([true]);
    });

    it('are answered with the revision whose definitions were evaluated, though memory went on meanwhile', async () => {
      await index.advance();
      const { revision } = index;
      const checking = check([], { level: 'minimize_latency' });
      await new Promise(setImmediate);
      const flips = { catalogChanged: false, atoms: new Map() };
      expect(index.offer({ revision: revision + 1, committedAt: new Date(), flips })).toBe(true);
      expect((await checking).revision).toBe(revision);
    });

    it('are never compared with a list that was not read', async () => {
      await index.advance();
      const served = index.catalog.newest('listed');
      const truth = await inlineTruth(index, identity, []);
      expect(() => truth(served)(served.predicate)).toThrow(expect.objectContaining({ reason: 'CONFLICT' }));
    });
  });

  it('is checked at exactly the revision that was asked for, or not at all', async () => {
    await begin({}, { pro: condition('plan', 'EQUAL', 'pro') });
    await index.advance();
    const { revision } = index;
    expect((await check([], { level: 'exact', revision })).revision).toBe(revision);
    await applyTo(createApplier(fixture.database), environment, upsert('a'));
    await index.advance();
    await expect(check([], { level: 'exact', revision })).rejects.toMatchObject({ reason: 'CURSOR_EXPIRED' });
  });
});
