import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { OrdinalSet } from '../../src/core/bitmap.js';
import { encodeFlips } from '../../src/core/flips.js';
import { buildAtom } from '../../src/indexing/build.js';
import { rebuildAtom } from '../../src/indexing/catalog-writer.js';
import { CorruptAtoms, fold, trim } from '../../src/indexing/fold.js';
import { type Difference, verify } from '../../src/indexing/verify.js';
import { readAtoms } from '../../src/storage/atoms.js';
import { writeChunks } from '../../src/storage/chunks.js';
import type { Environment } from '../../src/storage/environments.js';
import {
  applyTo,
  bitmapOf,
  buildAll,
  buildOptions,
  condition,
  createApplier,
  createFixture,
  createIndex,
  definition,
  type Fixture,
  foldAll,
  membersOf,
  putSegment,
  remove,
  selectSegment,
  setTraits,
  upsert,
} from '../helpers/fixture.js';

const CHUNK = 2 ** 16;
let fixture: Fixture;
let environment: Environment;
let atomId: number;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

/** An atom with a chunk of two members at 1 and one of three at 2^32 / 2^16 chunks further, so that low bits are alike. */
beforeEach(async () => {
  environment = await fixture.environment({ ordinalMode: 'given' });
  await putSegment(fixture.database, environment, 'pro', definition([condition('plan', 'EQUAL', 'pro')]));
  await buildAll(fixture.database, environment);
  const applier = createApplier(fixture.database);
  await applyTo(
    applier,
    environment,
    ...[0, 1, CHUNK, CHUNK + 1, CHUNK + 2, 2 ** 32, 2 ** 32 + 1].map((id) =>
      upsert(`user-${id}`, { plan: '"pro"' }, id),
    ),
  );
  await foldAll(fixture.database, environment);
  const [atom] = await readAtoms(fixture.database.sql, environment.id);
  atomId = atom?.id ?? -1;
});

const MEMBERS = [0, 1, CHUNK, CHUNK + 1, CHUNK + 2, 2 ** 32, 2 ** 32 + 1];

async function chunks(statement: string): Promise<void> {
  const { count } = await fixture.database.sql.unsafe(
    statement.replace('$where', `environment_id = ${environment.id} and atom_id = ${atomId}`),
  );
  expect(count).toBeGreaterThan(0);
}

const DAMAGES: readonly (readonly [string, string])[] = [
  [
    'a byte is flipped',
    `update atom_chunk set bitmap = set_byte(bitmap, length(bitmap) - 1, get_byte(bitmap, length(bitmap) - 1) # 8) where $where and chunk = 1`,
  ],
  [
    'the bytes are cut short',
    `update atom_chunk set bitmap = substring(bitmap for length(bitmap) - 1) where $where and chunk = 1`,
  ],
  ['the bytes are gone', `update atom_chunk set bitmap = '' where $where and chunk = 1`],
  ['the checksum is another', `update atom_chunk set crc32c = crc32c # 1 where $where and chunk = 0`],
  ['the cardinality is another', `update atom_chunk set cardinality = cardinality + 1 where $where and chunk = 0`],
  ['a row is lost', `delete from atom_chunk where $where and chunk = 0`],
  ['a row is under another number', `update atom_chunk set chunk = 7 where $where and chunk = 1`],
  [
    'a row is under a number with the same low bits',
    `update atom_chunk set chunk = 131072 where $where and chunk = 65536`,
  ],
  [
    "a row is another atom's",
    `update atom_chunk a set bitmap = b.bitmap, crc32c = b.crc32c, cardinality = b.cardinality from atom_chunk b
     where a.environment_id = b.environment_id and b.atom_id = 0 and a.chunk = b.chunk and a.chunk = 1 and a.$where`,
  ],
  [
    'two rows are swapped',
    `update atom_chunk a set bitmap = b.bitmap, crc32c = b.crc32c, cardinality = b.cardinality from atom_chunk b
     where a.environment_id = b.environment_id and a.atom_id = b.atom_id and (a.chunk, b.chunk) in ((0, 65536), (65536, 0)) and a.$where`,
  ],
];

async function damage(statement: string): Promise<void> {
  await chunks(statement.replace('a.$where', `a.environment_id = ${environment.id} and a.atom_id = ${atomId}`));
}

/** Where the atoms are not what the identities say. */
async function verifyAll(): Promise<readonly Difference[]> {
  const { signal } = new AbortController();
  return (await verify(fixture.database, environment, { sampleShare: 1, maxRanges: Infinity, signal })).differences;
}

async function select(reported: number[] = []) {
  const index = createIndex(fixture.database, environment, { onCorrupt: (_, id) => reported.push(id) });
  return selectSegment(fixture.database, index, 'pro');
}

describe('I9: a torn or corrupt chunk is detected, reported and rebuilt, never used', () => {
  it.each(DAMAGES)('when %s', async (_, statement) => {
    await damage(statement);
    const reported: number[] = [];
    await expect(select(reported)).rejects.toMatchObject({ reason: 'INDEX_CORRUPT' });
    expect(reported).toEqual([atomId]);
    await rebuildAtom(fixture.database, environment, atomId);
    await expect(select()).rejects.toMatchObject({ reason: 'ATOM_BUILDING' });
    await buildAll(fixture.database, environment);
    expect([...(await select()).set]).toEqual(MEMBERS);
  });

  it.each(DAMAGES.slice(0, 5))('by a fold that would write it anew, when %s', async (_, statement) => {
    await damage(statement);
    await applyTo(
      createApplier(fixture.database),
      environment,
      setTraits('user-1', { plan: '"free"' }, 1),
      setTraits(`user-${CHUNK}`, { plan: '"free"' }, CHUNK),
    );
    const failure = await fold(fixture.database, environment.id, 1_000_000).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CorruptAtoms);
    expect(failure).toMatchObject({ atomIds: [atomId] });
    await rebuildAtom(fixture.database, environment, atomId);
    await buildAll(fixture.database, environment);
    await foldAll(fixture.database, environment);
    expect([...(await select()).set]).toEqual(MEMBERS.filter((id) => id !== 1 && id !== CHUNK));
  });

  it('by verification, which also tells bits that are intact but wrong', async () => {
    expect(await verifyAll()).toEqual([]);
    await damage(`update atom_chunk set crc32c = crc32c # 1 where $where and chunk = 0`);
    await fixture.database
      .sql`update identity set traits = '{}' where environment_id = ${environment.id} and id = ${CHUNK}`;
    await fixture.database
      .sql`update identity set traits = '{"plan": "free"}' where environment_id = ${environment.id} and id = ${2 ** 32}`;
    expect(
      (await verifyAll()).map(({ chunk, missing, surplus, isCorrupt }) => ({
        chunk,
        missing,
        surplus,
        isCorrupt,
      })),
    ).toEqual([
      { chunk: 0, missing: 2, surplus: 0, isCorrupt: true },
      { chunk: 1, missing: 0, surplus: 1, isCorrupt: false },
      { chunk: 65536, missing: 0, surplus: 1, isCorrupt: false },
    ]);
  });

  it('by verification where no identity lives', async () => {
    const applier = createApplier(fixture.database);
    await applyTo(applier, environment, ...[CHUNK, CHUNK + 1, CHUNK + 2].map((id) => remove(`user-${id}`, id)));
    await foldAll(fixture.database, environment);
    const set = OrdinalSet.of([CHUNK + 7]);
    await writeChunks(fixture.database.sql, environment.id, atomId, 1, [set.chunk(1) ?? []].flat());
    expect(await verifyAll()).toMatchObject([{ atomId, chunk: 1, missing: 0, surplus: 1, isCorrupt: false }]);
  });

  it('by a build that finds it, which begins again', async () => {
    await rebuildAtom(fixture.database, environment, atomId);
    const { signal } = new AbortController();
    let looks = 0;
    const afterScan = new Proxy(signal, {
      get: (target, name) => (name === 'aborted' ? ++looks > 3 : (Reflect.get(target, name) as unknown)),
    });
    await buildAtom(fixture.database, environment, atomId, { ...buildOptions('one'), leaseMs: 0, signal: afterScan });
    await damage(`update atom_chunk set crc32c = crc32c # 1 where $where and chunk = 0`);
    await applyTo(createApplier(fixture.database), environment, setTraits('user-1', { plan: '"free"' }, 1));
    expect(await buildAtom(fixture.database, environment, atomId, buildOptions('two'))).toBeUndefined();
    await buildAll(fixture.database, environment);
    expect([...(await select()).set]).toEqual(MEMBERS.filter((id) => id !== 1));
  });

  it('for good: what the log has of an atom from before it was built again is not put onto it', async () => {
    const { revisions } = await applyTo(
      createApplier(fixture.database),
      environment,
      setTraits('user-1', { n: '1' }, 1),
      upsert('user-9', {}, 9),
    );
    const flips = {
      catalogChanged: false,
      atoms: new Map([
        [atomId, { set: [9], cleared: [] }],
        [0, { set: [9], cleared: [] }],
      ]),
    };
    await fixture.database.sql`
      update atom_log set payload = ${encodeFlips(flips)} where environment_id = ${environment.id} and revision = ${revisions.get(environment.key) ?? 0}`;
    expect(await verifyAll()).toMatchObject([{ atomId, chunk: 0, missing: 0, surplus: 1 }]);
    await rebuildAtom(fixture.database, environment, atomId);
    await buildAll(fixture.database, environment);
    await applyTo(createApplier(fixture.database), environment, setTraits('user-9', { n: '2' }, 9));
    expect(await verifyAll()).toEqual([]);
    await foldAll(fixture.database, environment);
    expect(await verifyAll()).toEqual([]);
    expect([...(await select()).set]).toEqual(MEMBERS);
  });

  it('by memory that has the atom, too, once it was built again', async () => {
    const followed = createIndex(fixture.database, environment);
    await selectSegment(fixture.database, followed, 'pro');
    await fixture.database
      .sql`update identity set traits = '{}' where environment_id = ${environment.id} and id = ${CHUNK}`;
    await rebuildAtom(fixture.database, environment, atomId);
    await buildAll(fixture.database, environment);
    expect([...(await selectSegment(fixture.database, followed, 'pro')).set]).toEqual(
      MEMBERS.filter((id) => id !== CHUNK),
    );
  });

  it('of the universe too', async () => {
    atomId = 0;
    await damage(`delete from atom_chunk where $where and chunk = 1`);
    const reported: number[] = [];
    await expect(select(reported)).rejects.toMatchObject({ reason: 'INDEX_CORRUPT' });
    expect(reported).toEqual([0]);
    await rebuildAtom(fixture.database, environment, 0);
    await expect(select()).rejects.toMatchObject({ reason: 'ATOM_BUILDING' });
    await buildAll(fixture.database, environment);
    expect([...(await select()).set]).toEqual(MEMBERS);
  });
});

const LOG_DAMAGES: readonly (readonly [string, string])[] = [
  ['is lost', `delete from atom_log where $where`],
  ['has a byte flipped', `update atom_log set payload = set_byte(payload, 4, get_byte(payload, 4) # 1) where $where`],
  ['is cut short', `update atom_log set payload = substring(payload for length(payload) - 2) where $where`],
];

describe('I9: a log row that is needed', () => {
  it.each(LOG_DAMAGES)(
    'and %s is noticed by readers, folds and builders, and what needs it is built again',
    async (_, statement) => {
      const applier = createApplier(fixture.database);
      const followed = createIndex(fixture.database, environment);
      await selectSegment(fixture.database, followed, 'pro');
      await putSegment(fixture.database, environment, 'late', definition([condition('plan', 'REGEX', 'f')]));
      const { revisions } = await applyTo(applier, environment, setTraits('user-1', { plan: '"free"' }, 1));
      await applyTo(applier, environment, setTraits('user-0', { plan: '"free"' }, 0));
      const lost = revisions.get(environment.key) ?? 0;
      await fixture.database.sql.unsafe(
        statement.replace('$where', `environment_id = ${environment.id} and revision = ${lost}`),
      );
      const reported: number[] = [];
      await expect(select(reported)).rejects.toMatchObject({ reason: 'INDEX_CORRUPT' });
      expect(reported).toContain(atomId);
      const failure = await fold(fixture.database, environment.id, 1_000_000).catch((error: unknown) => error);
      expect(failure).toMatchObject({ atomIds: [0, atomId] });
      for (const id of [0, atomId]) await rebuildAtom(fixture.database, environment, id);
      await buildAll(fixture.database, environment);
      await buildAll(fixture.database, environment);
      expect(await fold(fixture.database, environment.id, 1_000_000)).toBe(true);
      for (const index of [followed, createIndex(fixture.database, environment)]) {
        expect([...(await selectSegment(fixture.database, index, 'pro')).set]).toEqual(MEMBERS.slice(2));
        expect([...(await selectSegment(fixture.database, index, 'late')).set]).toEqual([0, 1]);
      }
    },
  );
});

describe('I9: folding and trimming', () => {
  it('change no answer, in pieces of any size, and keep what an earlier revision is told from', async () => {
    const applier = createApplier(fixture.database);
    const followed = createIndex(fixture.database, environment);
    await selectSegment(fixture.database, followed, 'pro');
    const expected: [number, number[]][] = [];
    for (const id of MEMBERS) {
      const { revisions } = await applyTo(
        applier,
        environment,
        setTraits(`user-${id}`, { plan: id % 2 === 0 ? '"free"' : '"pro"', n: String(id) }, id),
      );
      const revision = revisions.get(environment.key) ?? 0;
      expected.push([revision, [...(await selectSegment(fixture.database, followed, 'pro')).set]]);
    }
    const answers = async (): Promise<void> => {
      for (const [revision, members] of expected) {
        const { set } = await selectSegment(fixture.database, createIndex(fixture.database, environment), 'pro', {
          level: 'exact',
          revision,
        });
        expect([revision, [...set]]).toEqual([revision, members]);
      }
    };
    await answers();
    for (let isDone = false; !isDone;) {
      isDone = await fold(fixture.database, environment.id, 0);
      await trim(fixture.database, environment.id, 3_600_000);
      await answers();
    }
    await trim(fixture.database, environment.id, -60_000);
    expect(await membersOf(fixture.database, environment, 'pro')).toEqual(
      MEMBERS.filter((id) => id % 2 === 1)
        .map((id) => `user-${id}`)
        .sort(),
    );
    const [first] = expected[0] ?? [0];
    await expect(
      selectSegment(fixture.database, createIndex(fixture.database, environment), 'pro', {
        level: 'exact',
        revision: first,
      }),
    ).rejects.toMatchObject({ reason: 'CURSOR_EXPIRED' });
  });

  it('take away chunks that became empty, and the atom knows how many are left', async () => {
    const applier = createApplier(fixture.database);
    await applyTo(
      applier,
      environment,
      ...[CHUNK, CHUNK + 1, CHUNK + 2].map((id) => setTraits(`user-${id}`, { plan: null }, id)),
    );
    await foldAll(fixture.database, environment);
    const [atom] = await readAtoms(fixture.database.sql, environment.id);
    expect(atom?.chunks).toBe(2);
    expect([...((await bitmapOf(createIndex(fixture.database, environment), atomId)) ?? [])]).toEqual([
      0,
      1,
      2 ** 32,
      2 ** 32 + 1,
    ]);
  });
});
