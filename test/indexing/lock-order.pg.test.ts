import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Applier } from '../../src/indexing/applier.js';
import { type Database, inTransaction, type Sql } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import { inLockOrder, storedIdentifier } from '../../src/storage/identities.js';
import { waitUntilBlocked } from '../helpers/blocked-backends.js';
import {
  applyTo,
  createApplier,
  createFixture,
  type Fixture,
  readTruth,
  remove,
  setTraits,
  upsert,
} from '../helpers/fixture.js';

let fixture: Fixture;
let environment: Environment;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());
beforeEach(async () => {
  environment = await fixture.environment();
  const all = ['a', 'b', 'c', 'd'].map((identifier) => upsert(identifier, { n: '0' }));
  await applyTo(createApplier(fixture.database), environment, ...all);
});

/** Runs `work` while another transaction holds the row of an identity, and what `begin` begins waits for it. */
async function whileWaitingFor(identifier: string, begin: () => Promise<unknown>, work: () => Promise<void>) {
  const begun = await inTransaction(fixture.connect(), { isolation: 'read committed' }, async (tx) => {
    await tx`select from identity where environment_id = ${environment.id} and identifier = ${identifier} for update`;
    const waiting = begin();
    await waitUntilBlocked(fixture.database, 1);
    await work();
    return { waiting };
  });
  await begun.waiting;
}

/** Does something and undoes it; fails where it would have to wait. */
async function tryOut(statement: (tx: Sql) => Promise<unknown>): Promise<void> {
  const undone = new Error('undone');
  const outcome = await inTransaction(fixture.database, { isolation: 'read committed' }, async (tx) => {
    await tx`set local lock_timeout = '200ms'`;
    await statement(tx);
    throw undone;
  }).catch((error: unknown) => error);
  if (outcome !== undone) throw outcome;
}

const lockRow = (identifier: string) => (tx: Sql) =>
  tx`select from identity where environment_id = ${environment.id} and identifier = ${identifier} for update`;

/** A database as an applier reads ahead in it; `afterRead` runs once, between the first read of identities and what is written then. */
function interrupted(database: Database, afterRead: () => Promise<unknown>): Database {
  let isRead = false;
  const sql = new Proxy(database.sql, {
    apply(target, self, parameters: [TemplateStringsArray, ...unknown[]]) {
      const query = Reflect.apply(target, self, parameters) as Promise<unknown>;
      if (isRead || !parameters[0].join('').includes('from identity where')) return query;
      isRead = true;
      return query.then(async (rows) => {
        await afterRead();
        return rows;
      });
    },
  });
  return { ...database, sql };
}

describe('a batch', () => {
  let applier: Applier;
  beforeEach(() => {
    applier = createApplier(fixture.connect());
  });

  it('locks the rows of identities that go and of those that change in one order', async () => {
    const begin = () => applyTo(applier, environment, remove('d'), setTraits('b', { n: '1' }), remove('a'));
    await whileWaitingFor('b', begin, async () => {
      await expect(tryOut(lockRow('a'))).rejects.toMatchObject({ reason: 'CONFLICT' });
      await tryOut(lockRow('d'));
    });
    expect((await readTruth(fixture.database, environment)).identities.map(({ identifier }) => identifier)).toEqual([
      'b',
      'c',
    ]);
  });

  it.each(['allotted', 'given'] as const)(
    'changes what is there before it creates what is not, of %s ordinals',
    async (ordinalMode) => {
      environment = await fixture.environment({ ordinalMode });
      const id = (given: number) => (ordinalMode === 'given' ? given : undefined);
      await applyTo(applier, environment, upsert('a', {}, id(1)), upsert('b', {}, id(2)));
      const begin = () =>
        applyTo(applier, environment, upsert('aa', {}, id(3)), setTraits('a', { n: '1' }, id(1)), remove('b', id(2)));
      await whileWaitingFor('b', begin, async () => {
        await expect(tryOut(lockRow('a'))).rejects.toMatchObject({ reason: 'CONFLICT' });
        await tryOut(
          (tx) =>
            tx`insert into identity (environment_id, id, identifier, traits) values (${environment.id}, 99, 'aa', '{}')`,
        );
      });
    },
  );

  it('that met with another writer reads under locks, one writer at a time, and so do the next', async () => {
    const isAlone = async (): Promise<void> => {
      const [row] = await fixture.database.sql<{ held: number }[]>`
        select count(*)::int as held from pg_locks where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())`;
      expect(row?.held).toBe(1);
    };
    const other = createApplier(fixture.connect());
    const met = createApplier(
      interrupted(fixture.connect(), () => applyTo(other, environment, setTraits('c', { n: '1' }))),
    );
    await applyTo(met, environment, setTraits('c', { m: '1' }), setTraits('d', { m: '1' }));
    await whileWaitingFor('d', () => applyTo(met, environment, remove('d')), isAlone);
    const { identities } = await readTruth(fixture.database, environment);
    expect(identities.map(({ traits }) => [...traits])).toEqual([
      [['n', '0']],
      [['n', '0']],
      [
        ['m', '1'],
        ['n', '1'],
      ],
    ]);
  });

  it('changes the identity it read, also where vacuum puts another in its place', async () => {
    // Rows that one transaction wrote, and the first of them is free: vacuum moves each to the place of the one before.
    await fixture.database.sql`truncate identity`;
    const all = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((identifier) => upsert(identifier, { n: '0' }));
    await applyTo(applier, environment, ...all);
    await applyTo(applier, environment, setTraits('a', { n: '5' }));
    const moved = createApplier(
      interrupted(fixture.connect(), () => fixture.database.sql.unsafe('vacuum full identity')),
    );
    await applyTo(moved, environment, setTraits('f', { n: '9' }), remove('c'));
    const { identities } = await readTruth(fixture.database, environment);
    expect(identities.map(({ identifier, traits }) => `${identifier} ${traits.get('n') ?? ''}`)).toEqual([
      'a 5',
      'b 0',
      'd 0',
      'e 0',
      'f 9',
      'g 0',
      'h 0',
    ]);
  });
});

it('writers that overlap, delete and create all get through, without waiting for each other in rounds', async () => {
  const appliers = [1, 2, 3].map(() => createApplier(fixture.connect()));
  const [before] = await deadlocks();
  await Promise.all(
    appliers.map(async (applier, writer) => {
      for (let round = 0; round < 12; round++) {
        const changes = Array.from({ length: 120 }, (_, n) => {
          const identifier = `u${(n * 7 + round * 31 + writer * 53) % 250}`;
          return n % 9 === writer ? remove(identifier) : setTraits(identifier, { n: String(n * round) });
        });
        await applyTo(applier, environment, ...changes);
      }
    }),
  );
  const [after] = await deadlocks();
  expect((after ?? 0) - (before ?? 0)).toBeLessThan(4);
}, 60_000);

async function deadlocks(): Promise<number[]> {
  // Postgres tells its statistics with up to a second's delay.
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  const rows = await fixture.database.sql<{ deadlocks: number }[]>`
    select deadlocks::int from pg_stat_database where datname = current_database()`;
  return rows.map((row) => row.deadlocks);
}

it('the order of locks is the one in which Postgres sorts stored identifiers', async () => {
  const identifiers = fc.uniqueArray(
    fc.oneof(
      fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '')),
      fc.constantFrom('\uFF5E', '\u{1F600}', '\uE000', 'a\nb', 'x'.repeat(2_000)),
    ),
    { selector: storedIdentifier },
  );
  await fc.assert(
    fc.asyncProperty(identifiers, async (drawn) => {
      const rows = await fixture.database.sql<{ text: string }[]>`
        select value as text from jsonb_array_elements_text(${JSON.stringify(drawn.map(storedIdentifier))}::text::jsonb) order by value collate "C"`;
      const ordered = inLockOrder(drawn.map((identifier) => ({ id: 0, identifier })));
      expect(ordered.map(({ identifier }) => storedIdentifier(identifier))).toEqual(rows.map(({ text }) => text));
    }),
  );
});
