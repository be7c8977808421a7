import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RollcallError } from '../../src/core/errors.js';
import type { SegmentDefinition } from '../../src/core/segments.js';
import { buildAtom } from '../../src/indexing/build.js';
import { readAtoms } from '../../src/storage/atoms.js';
import type { Environment } from '../../src/storage/environments.js';
import {
  applyTo,
  buildAll,
  buildOptions,
  condition,
  createApplier,
  createFixture,
  createIndex,
  definition,
  type Fixture,
  ordinalsWhere,
  putSegment,
  readTruth,
  selectSegment,
  upsert,
} from '../helpers/fixture.js';
import { listedSource, row } from '../helpers/listed-source.js';
import { isMember } from '../helpers/oracle.js';
import { changes, checkProperty, definitions } from '../helpers/random-segments.js';
import { begin, run } from './backfill/backfill-world.js';

const USERS = 16;
/** Reasons that a reader may meet while atoms come and go. */
const PASSING = new Set(['ATOM_BUILDING', 'CURSOR_EXPIRED']);

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

/** One segment, each of its definitions by etag, and readers that stay and that come anew. */
class Edited {
  readonly #environment: Environment;
  readonly #byEtag = new Map<string, SegmentDefinition>();
  readonly #index;
  #newest = '';

  constructor(environment: Environment) {
    this.#environment = environment;
    this.#index = createIndex(fixture.database, environment);
  }

  async put(of: SegmentDefinition): Promise<void> {
    const etag = await putSegment(fixture.database, this.#environment, 's', of);
    this.#byEtag.set(etag, of);
    this.#newest = etag;
  }

  /** Every answer is of one definition whole, the one whose etag it bears, and of the newest where it does not say otherwise. */
  async expectWhole(passing: ReadonlySet<string> = PASSING): Promise<void> {
    const truth = await readTruth(fixture.database, this.#environment);
    const { revision } = truth;
    for (const index of [this.#index, createIndex(fixture.database, this.#environment)]) {
      try {
        const { set, served } = await selectSegment(fixture.database, index, 's', { level: 'exact', revision });
        const of = this.#byEtag.get(served.etag);
        if (of === undefined) throw new Error('the answer is of no definition');
        expect(served.isPending).toBe(served.etag !== this.#newest);
        const context = { environment: this.#environment, definitions: new Map([['s', of]]) };
        expect([...set]).toEqual(ordinalsWhere(truth, (identity) => isMember('s', identity, context)));
      } catch (error) {
        if (!(error instanceof RollcallError) || !passing.has(error.reason)) throw error;
      }
    }
  }
}

async function buildOne(environment: Environment): Promise<void> {
  const building = (await readAtoms(fixture.database.sql, environment.id)).find(({ state }) => state === 'building');
  if (building !== undefined) await buildAtom(fixture.database, environment, building.id, buildOptions());
}

describe('a segment that is edited while changes and the pages of a backfill are applied', () => {
  it('is answered by its earlier rules or by its new ones, whole, and never with a member that only the other has', async () => {
    const scenarios = fc.record({
      first: definitions([]),
      edits: fc.array(definitions([]), { minLength: 4, maxLength: 4 }),
      live: fc.array(fc.array(changes(USERS), { minLength: 1, maxLength: 6 }), { minLength: 4, maxLength: 4 }),
    });
    const property = fc.asyncProperty(scenarios, async ({ first, edits, live }) => {
      const environment = await fixture.environment();
      const segment = new Edited(environment);
      await segment.put(first);
      await buildAll(fixture.database, environment);
      const applier = createApplier(fixture.database);
      const users = Array.from({ length: USERS }, (_, user) => `user-${user}`);
      await applyTo(applier, environment, ...users.map((user) => upsert(user, { plan: '"free"' })));
      const writing: Promise<unknown>[] = [];
      const backfilling = createApplier(fixture.connect());
      for (let page = 0; page < USERS / 2; page++) {
        const edit = page % 2 === 0 ? edits[page / 2] : undefined;
        if (edit !== undefined) await segment.put(edit);
        const batch = live[Math.floor(page / 2)];
        if (page % 2 === 1 && batch !== undefined) writing.push(applyTo(applier, environment, ...batch));
        const rows = users.slice(page * 2, page * 2 + 2);
        writing.push(
          applyTo(backfilling, environment, ...rows.map((user) => upsert(user, { plan: '"pro"', age: '21' }))),
        );
        await segment.expectWhole();
        await buildOne(environment);
        await segment.expectWhole();
      }
      await Promise.all(writing);
      await segment.expectWhole();
      await buildAll(fixture.database, environment);
      await segment.expectWhole(new Set());
    });
    await checkProperty(property, 3);
  }, 120_000);

  it('has no member of its earlier rules from the answer on that is of the new ones', async () => {
    const environment = await fixture.environment();
    const segment = new Edited(environment);
    await applyTo(createApplier(fixture.database), environment, upsert('a', { plan: '"pro"' }));
    await segment.put(definition([condition('plan', 'EQUAL', 'pro')]));
    await buildAll(fixture.database, environment);
    const rows = ['a', 'b', 'c', 'd'].map((name) => row(environment, name, { plan: name < 'c' ? '"pro"' : '"free"' }));
    const onRead = async (page: number): Promise<void> => {
      if (page !== 1) return;
      await segment.put(definition([condition('plan', 'EQUAL', 'free')]));
      await buildAll(fixture.database, environment);
      await segment.expectWhole(new Set());
    };
    const backfill = await begin(fixture.database, environment);
    await run(fixture.database, environment, backfill, listedSource(environment, rows, { onRead }));
    await segment.expectWhole(new Set());
  });
});
