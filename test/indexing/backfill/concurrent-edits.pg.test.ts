import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Change } from '../../../src/core/changes.js';
import type { SegmentDefinition } from '../../../src/core/segments.js';
import { removeSegment } from '../../../src/indexing/segment-writer.js';
import type { Environment, OrdinalMode } from '../../../src/storage/environments.js';
import {
  applyTo,
  buildAll,
  createApplier,
  createFixture,
  createIndex,
  type Fixture,
  ordinalsWhere,
  putSegment,
  readTruth,
  selectSegment,
  setTraits,
} from '../../helpers/fixture.js';
import { listedSource, row } from '../../helpers/listed-source.js';
import { isMember } from '../../helpers/oracle.js';
import { changes, checkProperty, definitions, segmentSets, traitMaps } from '../../helpers/random-segments.js';
import { BackfillOracle, storedTraits } from './backfill-oracle.js';
import { begin, expectVerified, run, states } from './backfill-world.js';

const WRITERS = 3;
/** Users of each writer; another one, the last, is written by all. */
const USERS = 4;
const ALL_USERS = WRITERS * USERS;
const SHARED = `user-${ALL_USERS}`;
const PAGE_SIZE = 2;
const PAGES = Math.ceil((ALL_USERS + 1) / PAGE_SIZE);
const idOf = (user: number): number => 100 + user;

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

/** A segment that is put, or deleted where it has no definition. */
interface Edit {
  readonly key: string;
  readonly definition: SegmentDefinition | undefined;
}

/** An edit of one of the writer's own segments. */
const editsOf = (writer: string): fc.Arbitrary<Edit> =>
  fc.record({
    key: fc.constantFrom(`${writer}-a`, `${writer}-b`),
    definition: fc.option(definitions(['s0']), { nil: undefined, freq: 3 }),
  });

/** For each page what is done while it is read and applied. */
const perPage = <Item>(items: fc.Arbitrary<Item>, maxLength: number): fc.Arbitrary<Item[][]> =>
  fc.array(fc.array(items, { maxLength }), { minLength: PAGES, maxLength: PAGES });

const scenarios = fc.constantFrom<OrdinalMode>('allotted', 'given').chain((mode) => {
  const given = mode === 'given' ? idOf : undefined;
  return fc.record({
    mode: fc.constant(mode),
    segments: segmentSets(2),
    before: fc.array(changes(ALL_USERS, given), { maxLength: 8 }),
    rows: fc.array(fc.record({ user: fc.integer({ min: 0, max: ALL_USERS }), traits: traitMaps }), {
      minLength: ALL_USERS,
      maxLength: ALL_USERS + 1,
    }),
    writers: fc.tuple(...Array.from({ length: WRITERS }, () => perPage(changes(USERS, given), 4))),
    editors: fc.tuple(perPage(editsOf('e0'), 1), perPage(editsOf('e1'), 1)),
  });
});
type Scenario = typeof scenarios extends fc.Arbitrary<infer T> ? T : never;

/** The changes of one writer: those of its own users, and one trait of its own of the user that all write. */
function ownBatch(batch: readonly Change[], mode: OrdinalMode, writer: number, page: number): Change[] {
  const own = batch.map((change): Change => {
    const user = Number(change.identifier.slice('user-'.length)) + writer * USERS;
    const id = change.identityId;
    return {
      ...change,
      identifier: `user-${user}`,
      ...(id === undefined ? {} : { identityId: idOf(user) }),
    };
  });
  const sharedId = mode === 'given' ? idOf(ALL_USERS) : undefined;
  return [...own, setTraits(SHARED, { [`of-${writer}`]: String(page), age: '21' }, sharedId)];
}

async function runScenario({ mode, segments, before, rows, writers, editors }: Scenario): Promise<void> {
  const environment = await fixture.environment({ ordinalMode: mode });
  const model = new Map(segments);
  for (const [key, definition] of segments) await putSegment(fixture.database, environment, key, definition);
  await buildAll(fixture.database, environment);
  if (before.length > 0) await applyTo(createApplier(fixture.database), environment, ...before);

  const listed = rows.map(({ user, traits }) =>
    row(environment, `user-${user}`, Object.fromEntries(traits), mode === 'given' ? idOf(user) : undefined),
  );
  const stored = await storedTraits(fixture.database, environment);
  const oracle = new BackfillOracle(listed);
  const backfill = await begin(fixture.database, environment);
  const works = [
    ...writers.map((batches, writer) => {
      const applier = createApplier(connections[writer] ?? fixture.database);
      return async (page: number): Promise<void> => {
        const batch = ownBatch(batches[page] ?? [], mode, writer, page);
        await applyTo(applier, environment, ...batch);
        for (const change of batch) oracle.apply(change, stored);
      };
    }),
    ...editors.map((pages) => async (page: number): Promise<void> => {
      for (const edit of pages[page] ?? []) await applyEdit(environment, model, edit);
    }),
  ];
  const doing = works.map(() => Promise.resolve());
  const source = listedSource(environment, listed, {
    pageSize: PAGE_SIZE,
    onRead(page) {
      for (const [at, work] of works.entries()) doing[at] = (doing[at] ?? Promise.resolve()).then(() => work(page));
    },
  });
  const ended = await run(fixture.database, environment, backfill, source);
  const failed = (await Promise.allSettled(doing)).filter(({ status }) => status === 'rejected');
  expect(failed).toEqual([]);
  expect(ended?.state).toBe('done');
  await buildAll(fixture.database, environment);
  expect(await states(fixture.database, environment)).toEqual(oracle.result());
  await expectVerified(fixture.database, environment);
  await expectMembers(environment, model);
}

const connections: ReturnType<Fixture['connect']>[] = [];
beforeAll(() => {
  for (let writer = 0; writer < WRITERS; writer++) connections.push(fixture.connect());
});

async function applyEdit(
  environment: Environment,
  model: Map<string, SegmentDefinition>,
  { key, definition }: Edit,
): Promise<void> {
  if (definition !== undefined) {
    await putSegment(fixture.database, environment, key, definition);
    model.set(key, definition);
  } else if (model.delete(key)) {
    await removeSegment(fixture.database, { project: environment.project, key, etag: '' }, 'test');
  }
}

/** Every segment of the model has the members that its rules give over what is stored, and there is no other. */
async function expectMembers(
  environment: Environment,
  definitions: ReadonlyMap<string, SegmentDefinition>,
): Promise<void> {
  const truth = await readTruth(fixture.database, environment);
  const index = createIndex(fixture.database, environment);
  for (const key of definitions.keys()) {
    const { set } = await selectSegment(fixture.database, index, key);
    expect([...set], key).toEqual(
      ordinalsWhere(truth, (identity) => isMember(key, identity, { environment, definitions })),
    );
  }
  const there = await fixture.database.sql<{ key: string }[]>`
    select key from segment where project = ${environment.project}`;
  expect(there.map(({ key }) => key).sort()).toEqual([...definitions.keys()].sort());
}

describe('I1, I4, I11: several writers and editors of segments during a backfill', () => {
  it('end as evaluating each rule over the source with their changes over it, and nothing is found wrong', async () => {
    await checkProperty(fc.asyncProperty(scenarios, runScenario), 15);
  }, 120_000);
});
