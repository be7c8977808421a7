import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerAtoms } from '../../src/indexing/catalog-writer.js';
import { compileSegment, atomsOfTree } from '../../src/core/compile.js';
import { inTransaction } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import {
  applyTo,
  batch,
  bitmapOf,
  buildAll,
  condition,
  createApplier,
  createFixture,
  createIndex,
  definition,
  type Fixture,
  membersOf,
  putSegment,
  readTruth,
  remove,
  setTraits,
  upsert,
} from '../helpers/fixture.js';
import { waitUntilBlocked } from '../helpers/blocked-backends.js';

const isPro = definition([condition('plan', 'EQUAL', 'pro')]);
let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

/** Runs `work` while another transaction holds the environment's head, so that what it begins has to wait at its end. */
async function whileHeadIsHeld<T>(environment: Environment, work: () => Promise<T>): Promise<T> {
  return inTransaction(fixture.connect(), { isolation: 'read committed' }, async (tx) => {
    await tx`select from environment_head where environment_id = ${environment.id} for update`;
    return work();
  });
}

describe('writers in several processes', () => {
  it("that create the same identifiers at once make each once, and clear each other's bits", async () => {
    const environment = await fixture.environment();
    await putSegment(fixture.database, environment, 'pro', isPro);
    await buildAll(fixture.database, environment);
    const appliers = [1, 2, 3].map(() => createApplier(fixture.connect()));
    for (let round = 0; round < 10; round++) {
      const changes = ['x', 'y', 'z'].map((letter) => `${letter}-${round}`);
      await Promise.all(
        appliers.map((applier, writer) => {
          const own = changes.map((identifier) => upsert(identifier, { plan: writer === 1 ? '"pro"' : '"free"' }));
          return applyTo(applier, environment, ...(writer === 2 ? own.reverse() : own));
        }),
      );
    }
    const { identities } = await readTruth(fixture.database, environment);
    expect(identities.map(({ identifier }) => identifier).sort()).toEqual(
      [...new Set(identities.map(({ identifier }) => identifier))].sort(),
    );
    expect(identities).toHaveLength(30);
    const expected = identities
      .filter(({ traits }) => traits.get('plan') === '"pro"')
      .map(({ identifier }) => identifier);
    expect(await membersOf(fixture.database, environment, 'pro')).toEqual(expected.sort());
  });

  it('that write several environments in one batch, in whatever order, do not lock each other out', async () => {
    const [one, other] = [await fixture.environment(), await fixture.environment()];
    const appliers = [createApplier(fixture.connect()), createApplier(fixture.connect())];
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        appliers.map((applier, writer) => {
          const changes = [
            ...batch(writer === 0 ? one : other, [upsert('a', { n: String(round) })]),
            ...batch(writer === 0 ? other : one, [upsert('a', { n: String(round) }), upsert('b')]),
          ];
          return applier.apply(changes);
        }),
      );
    }
    expect((await readTruth(fixture.database, one)).identities).toHaveLength(2);
    expect((await readTruth(fixture.database, other)).identities).toHaveLength(2);
  });

  it('find their differences again where an atom was registered after they had found them', async () => {
    const environment = await fixture.environment();
    const applier = createApplier(fixture.connect());
    await applyTo(applier, environment, upsert('a', { plan: '"free"' }));
    const atoms = atomsOfTree(compileSegment('draft', isPro, { environment, definitionOf: () => undefined }));
    const [registering, applying] = await whileHeadIsHeld(environment, async () => {
      const first = registerAtoms(fixture.connect(), environment, atoms);
      await waitUntilBlocked(fixture.database, 1);
      const second = applyTo(applier, environment, setTraits('a', { plan: '"pro"' }));
      await waitUntilBlocked(fixture.database, 2);
      return [first, second];
    });
    const registered = await registering;
    const { revisions } = await applying;
    expect(revisions.get(environment.key)).toBe((registered?.revision ?? 0) + 1);
    const [row] = await fixture.database.sql<{ payload: Buffer }[]>`
      select payload from atom_log where environment_id = ${environment.id} and revision = ${revisions.get(environment.key) ?? 0}`;
    expect(row?.payload.length).toBeGreaterThan(8);
    await buildAll(fixture.database, environment);
    const index = createIndex(fixture.database, environment);
    expect((await bitmapOf(index, 1))?.size).toBe(1);
  });

  it('that find an identity deleted and created again while they waited start again', async () => {
    const environment = await fixture.environment();
    const [one, other] = [createApplier(fixture.connect()), createApplier(fixture.connect())];
    await applyTo(one, environment, upsert('a', { old: '1' }));
    for (let round = 0; round < 8; round++) {
      await Promise.all([
        applyTo(one, environment, remove('a')).then(() =>
          applyTo(one, environment, upsert('a', { new: String(round) })),
        ),
        applyTo(other, environment, setTraits('a', { mine: String(round) })),
        applyTo(other, environment, setTraits('b', { mine: String(round) }), setTraits('a', { other: '1' })),
      ]);
    }
    const { identities } = await readTruth(fixture.database, environment);
    expect(identities.map(({ identifier }) => identifier).sort()).toEqual(['a', 'b']);
  });

  it('commit their revisions in order, each with its row in the log', async () => {
    const environment = await fixture.environment();
    const appliers = [1, 2, 3].map(() => createApplier(fixture.connect()));
    await Promise.all(
      appliers.flatMap((applier, writer) =>
        Array.from({ length: 8 }, (_, n) =>
          applyTo(applier, environment, upsert(`w${writer}`, { n: String(n) }), upsert(`u${n}`)),
        ),
      ),
    );
    const rows = await fixture.database.sql<{ revision: number; at: Date }[]>`
      select revision, committed_at as at from atom_log where environment_id = ${environment.id} order by revision`;
    const { revision } = await readTruth(fixture.database, environment);
    expect(rows.map((row) => row.revision)).toEqual(Array.from({ length: revision }, (_, n) => n + 1));
    expect(rows.every((row, n) => n === 0 || row.at >= (rows[n - 1]?.at ?? row.at))).toBe(true);
  });
});
