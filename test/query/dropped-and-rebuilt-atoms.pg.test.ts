import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { atomKey } from '../../src/core/atoms.js';
import type { SegmentDefinition } from '../../src/core/segments.js';
import { dropExpiredAtoms } from '../../src/indexing/atom-upkeep.js';
import { dropAtoms, rebuildAtom, registerAtoms } from '../../src/indexing/catalog-writer.js';
import type { EnvironmentIndex } from '../../src/query/environment-index.js';
import { explain } from '../../src/query/explain.js';
import { countMembers, select } from '../../src/query/select.js';
import { SetCache } from '../../src/query/set-cache.js';
import { readAtoms } from '../../src/storage/atoms.js';
import type { Environment } from '../../src/storage/environments.js';
import {
  applyTo,
  buildAll,
  condition,
  createApplier,
  createFixture,
  createIndex,
  definition,
  environmentOf,
  type Fixture,
  setTraits,
  upsert,
} from '../helpers/fixture.js';

/** Room for two small bitmaps, the universe among them. */
const ROOM_FOR_TWO = 5_000;

let fixture: Fixture;
let environment: Environment;
let index: EnvironmentIndex;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());
beforeEach(async () => {
  environment = await environmentOf(
    fixture,
    ...['a', 'b'].map((identifier) => upsert(identifier, { plan: '"pro"' })),
    ...['c', 'd', 'e'].map((identifier) => upsert(identifier, { plan: '"free"' })),
  );
  index = createIndex(fixture.database, environment, { chunkCache: new SetCache(ROOM_FOR_TWO) });
  for (const plan of ['pro', 'other']) await build(without(plan));
});

/** Everyone whose plan is another. */
function without(plan: string): SegmentDefinition {
  return { ...definition([]), rules: [{ type: 'NONE', conditions: [condition('plan', 'EQUAL', plan)], rules: [] }] };
}

const draft = (of: SegmentDefinition) => ({ kind: 'draft', key: '', definition: of }) as const;
const count = async (of: SegmentDefinition): Promise<number> =>
  (await countMembers(fixture.database, index, draft(of), { level: 'latest' })).count;

/** Registers and builds what a draft needs. */
async function build(of: SegmentDefinition): Promise<void> {
  await index.advance();
  await registerAtoms(fixture.database, environment, index.catalog.atomsMissingFor('', of));
  await buildAll(fixture.database, environment);
}

async function atomOf(operand: string) {
  const atom = (await readAtoms(fixture.database.sql, environment.id)).find(
    ({ definition: of, key }) => of.operand === operand && atomKey(of) === key,
  );
  if (atom === undefined) throw new Error('there is no such atom');
  return atom;
}

/** A count that stays in memory while the atom it was composed from is pushed out. */
async function composeThenEvict(): Promise<void> {
  expect(await count(without('pro'))).toBe(3);
  expect(await count(without('other'))).toBe(5);
  expect(index.missing(index.catalog.serveDraft('', without('pro'))).length).toBeGreaterThan(0);
  expect(await count(without('pro'))).toBe(3);
}

describe('a composed result whose atom is no longer in memory', () => {
  it('is composed again after its atom expired, whose flips nobody logged, and was registered anew', async () => {
    await composeThenEvict();
    await dropAtoms(fixture.database, environment, [await atomOf('pro')]);
    await applyTo(createApplier(fixture.database), environment, setTraits('c', { plan: '"pro"' }));
    await build(without('pro'));
    expect(await count(without('pro'))).toBe(2);
  });

  it('is composed again after its atom was built again', async () => {
    await composeThenEvict();
    await fixture.database.sql`
      update identity set traits = '{"plan": "pro"}' where environment_id = ${environment.id} and identifier = 'c'`;
    await rebuildAtom(fixture.database, environment, (await atomOf('pro')).id);
    await buildAll(fixture.database, environment);
    expect(await count(without('pro'))).toBe(2);
  });

  it('stays through changes of the catalog that leave its atoms as they are', async () => {
    await composeThenEvict();
    await build(without('third'));
    await index.advance();
    expect(index.isComposed(index.catalog.serveDraft('', without('pro')))).toBe(true);
  });
});

describe('the atoms of a draft', () => {
  it('do not expire when they have just been built, however long that took', async () => {
    await index.advance();
    await registerAtoms(fixture.database, environment, index.catalog.atomsMissingFor('', without('slow')));
    await fixture.database
      .sql`update atom set used_at = now() - interval '1 hour' where environment_id = ${environment.id}`;
    await buildAll(fixture.database, environment);
    await dropExpiredAtoms(fixture.database, environment, { draftExpiryMs: 600_000, graceMs: 0, splitGraceMs: 0 });
    const left = await readAtoms(fixture.database.sql, environment.id);
    expect(left.map(({ definition: { operand } }) => operand)).toEqual(['slow']);
  });

  it('are in use when they are explained, counted, or read at an earlier revision', async () => {
    const { id } = await atomOf('pro');
    const target = draft(without('pro'));
    const { revision } = await select(fixture.database, index, target, { level: 'latest' });
    await applyTo(createApplier(fixture.database), environment, upsert('f', { plan: '"pro"' }));
    await index.advance();
    const exact = { level: 'exact', revision } as const;
    for (const read of [
      () => count(without('pro')),
      () => explain(fixture.database, index, target, { kind: 'identifier', identifier: 'a' }, { level: 'latest' }),
      () => select(fixture.database, index, target, exact),
      () => select(fixture.database, index, target, exact),
    ]) {
      index.takeUsedAtoms();
      await read();
      expect(index.takeUsedAtoms()).toEqual([id]);
    }
  });
});
