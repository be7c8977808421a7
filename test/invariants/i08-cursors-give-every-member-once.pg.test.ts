import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { trim } from '../../src/indexing/fold.js';
import { decodeCursor, encodeCursor } from '../../src/query/cursor.js';
import type { EnvironmentIndex, Selection } from '../../src/query/environment-index.js';
import { readPages } from '../../src/query/member-pages.js';
import { type Resumed, resume } from '../../src/query/resume.js';
import type { Environment } from '../../src/storage/environments.js';
import {
  applyTo,
  buildAll,
  condition,
  createApplier,
  createFixture,
  createIndex,
  definition,
  environmentOfPros,
  type Fixture,
  foldAll,
  putSegment,
  remove,
  setTraits,
  upsert,
} from '../helpers/fixture.js';

const USERS = 30;
const QUERY = 'q';
const target = { kind: 'segment', key: 'pro' } as const;
const signal = new AbortController().signal;

let fixture: Fixture;
let environment: Environment;
let index: EnvironmentIndex;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());
beforeEach(async () => {
  const identifiers = Array.from({ length: USERS }, (_, user) => `user-${user}`);
  environment = await environmentOfPros(fixture, identifiers);
  index = createIndex(fixture.database, environment);
});

function cursorAt(selection: Selection, after: number): string {
  const { served, revision, committedAt } = selection;
  return encodeCursor({
    query: QUERY,
    predicate: served.predicate.key,
    revision,
    committedAtMs: committedAt.getTime(),
    after,
  });
}

async function goOn(cursor: string | undefined, isStrict = false, from = index): Promise<Resumed> {
  const decoded = cursor === undefined ? undefined : decodeCursor(cursor, QUERY);
  return resume(fixture.database, from, target, {
    freshness: { level: 'minimize_latency' },
    cursor: decoded,
    isStrict,
  });
}

/** One page of two members: their identifiers, and the cursor after them. */
async function readPage({ selection, after }: Resumed): Promise<{ identifiers: string[]; cursor: string }> {
  for await (const page of readPages(fixture.database, environment.id, {
    revision: 1,
    set: selection.set,
    after,
    limit: 2,
    includeTraits: true,
    signal,
  })) {
    if (page.kind === 'traits')
      return {
        identifiers: page.identities.map(({ identifier }) => identifier),
        cursor: cursorAt(selection, page.ordinals.at(-1) ?? after),
      };
  }
  return { identifiers: [], cursor: cursorAt(selection, after) };
}

/** Reads to the end, resuming after every page; `between` happens before each. */
async function readAll(
  between: (page: number) => Promise<EnvironmentIndex | undefined>,
): Promise<{ read: string[]; changedAt: number | undefined }> {
  const read: string[] = [];
  let cursor: string | undefined;
  let changedAt: number | undefined;
  for (let page = 0; ; page++) {
    const resumed = await goOn(cursor, false, (await between(page)) ?? index);
    if (resumed.isRevisionChanged) changedAt ??= page;
    const next = await readPage(resumed);
    if (next.identifiers.length === 0) return { read, changedAt };
    read.push(...next.identifiers);
    cursor = next.cursor;
  }
}

describe('I8: resuming from a cursor gives every member that was one throughout exactly once', () => {
  it('at the same revision, after every page, while members come, go and are deleted, in a process that was restarted', async () => {
    const applier = createApplier(fixture.database);
    const { read, changedAt } = await readAll(async (page) => {
      if (page === 0) return undefined;
      await applyTo(
        applier,
        environment,
        setTraits(`user-${page}`, { plan: '"free"' }),
        upsert(`late-${page}`, { plan: '"pro"' }),
        remove(`user-${USERS - 1 - page}`),
      );
      if (page % 3 === 0) await foldAll(fixture.database, environment);
      return createIndex(fixture.database, environment);
    });
    expect(read).toEqual(Array.from({ length: USERS }, (_, user) => `user-${user}`));
    expect(changedAt).toBeUndefined();
  });

  it('at a newer revision after the log was trimmed, saying so, or not at all where the caller is strict', async () => {
    const applier = createApplier(fixture.database);
    const { read, changedAt } = await readAll(async (page) => {
      if (page !== 3) return undefined;
      const changed = await applyTo(
        applier,
        environment,
        remove('user-1'),
        remove('user-20'),
        upsert('late', { plan: '"pro"' }),
      );
      expect(changed.unchanged).toBe(0);
      await foldAll(fixture.database, environment);
      await trim(fixture.database, environment.id, -60_000);
      return createIndex(fixture.database, environment);
    });
    expect(changedAt).toBe(3);
    expect(new Set(read).size).toBe(read.length);
    const throughout = Array.from({ length: USERS }, (_, user) => `user-${user}`).filter(
      (identifier) => identifier !== 'user-1' && identifier !== 'user-20',
    );
    expect(read.filter((identifier) => throughout.includes(identifier))).toEqual(throughout);
    const fresh = createIndex(fixture.database, environment);
    const [first] = [await goOn(undefined, false, fresh)];
    await applyTo(applier, environment, upsert('later', { plan: '"pro"' }));
    await foldAll(fixture.database, environment);
    await trim(fixture.database, environment.id, -60_000);
    await expect(
      goOn(cursorAt(first.selection, 1), true, createIndex(fixture.database, environment)),
    ).rejects.toMatchObject({ reason: 'CURSOR_EXPIRED' });
  });

  it('with the new rules after the segment was edited, saying so, or not at all where the caller is strict', async () => {
    const first = await readPage(await goOn(undefined));
    await putSegment(fixture.database, environment, 'pro', definition([condition('plan', 'REGEX', 'p')]));
    await buildAll(fixture.database, environment);
    await index.advance();
    await expect(goOn(first.cursor, true)).rejects.toMatchObject({ reason: 'CURSOR_EXPIRED' });
    const resumed = await goOn(first.cursor);
    expect(resumed.isRevisionChanged).toBe(true);
    expect((await readPage(resumed)).identifiers).toEqual(['user-2', 'user-3']);
  });

  it('not for a cursor of another query, one that was tampered with, or one cut short', async () => {
    const { cursor } = await readPage(await goOn(undefined));
    expect(() => decodeCursor(cursor, 'another')).toThrow('another query');
    for (let at = 0; at < cursor.length; at++) {
      const letter = cursor[at] === 'A' ? 'B' : 'A';
      expect(() => decodeCursor(cursor.slice(0, at) + letter + cursor.slice(at + 1), QUERY)).toThrow();
    }
    expect(() => decodeCursor(cursor.slice(0, -1), QUERY)).toThrow();
    expect(() => decodeCursor('', QUERY)).toThrow();
  });

  it('not at a revision of a database that was restored from an older state', async () => {
    const applier = createApplier(fixture.database);
    await goOn(undefined);
    const { revision } = index;
    await applyTo(applier, environment, setTraits('user-0', { plan: '"free"' }));
    const { cursor } = await readPage(
      await resume(fixture.database, index, target, {
        freshness: { level: 'latest' },
        cursor: undefined,
        isStrict: true,
      }),
    );
    await restoreTo(revision);
    await applyTo(applier, environment, setTraits('user-1', { plan: '"free"' }));
    await index.advance();
    await expect(goOn(cursor, true)).rejects.toMatchObject({ reason: 'CURSOR_EXPIRED' });
    const resumed = await goOn(cursor);
    expect(resumed.isRevisionChanged).toBe(true);
    expect([index.revision, resumed.selection.set.size]).toEqual([revision + 1, USERS - 1]);
  });
});

/** As a backup would: identity rows, log and head of an earlier revision. Only user-0 was changed since. */
async function restoreTo(revision: number): Promise<void> {
  const { sql } = fixture.database;
  await sql`update identity set traits = '{"plan": "pro"}' where environment_id = ${environment.id} and identifier = 'user-0'`;
  await sql`delete from atom_log where environment_id = ${environment.id} and revision > ${revision}`;
  await sql`update environment_head set revision = ${revision}, committed_at = now() where environment_id = ${environment.id}`;
}
