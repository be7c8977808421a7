import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SegmentDefinition } from '../../src/core/segments.js';
import { Drafts } from '../../src/server/reads/drafts.js';
import type { EnvironmentIndex } from '../../src/query/environment-index.js';
import { readAtoms } from '../../src/storage/atoms.js';
import type { Environment } from '../../src/storage/environments.js';
import { buildAll, condition, createFixture, createIndex, definition, type Fixture } from '../helpers/fixture.js';

/** Atoms of drafts that may be under way for each draft that may wait. */
const ATOMS_PER_BUILD = 32;

let fixture: Fixture;
let environment: Environment;
let index: EnvironmentIndex;
let drafts: Drafts;
beforeAll(async () => {
  fixture = await createFixture();
  environment = await fixture.environment();
  index = createIndex(fixture.database, environment);
  drafts = new Drafts({ database: fixture.database, maxBuildsPerOrganisation: 1, onRegistered: () => undefined });
});
afterAll(() => fixture.drop());

function draftOf(name: string, atoms: number): SegmentDefinition {
  return definition(Array.from({ length: atoms }, (_, n) => condition(name, 'EQUAL', String(n))));
}

/** A call that gives up after 10 ms. */
async function prepare(of: SegmentDefinition): Promise<unknown> {
  const context = {
    deadline: new Date(Date.now() + 10),
    signal: new AbortController().signal,
    actor: '',
    peer: '',
    requestId: '',
  };
  return drafts.prepare(index, { kind: 'draft', key: '', definition: of }, context).then(
    () => 'ready',
    (error: unknown) => (error instanceof Error && 'reason' in error ? error.reason : error),
  );
}

describe('drafts whose callers give up', () => {
  it('leave no more atoms behind to be built than there is room for', async () => {
    const answers: unknown[] = [];
    for (let n = 0; n < 12; n++) answers.push(await prepare(draftOf(`trait-${n}`, 8)));
    expect(answers).toEqual([...Array<string>(4).fill('ATOM_BUILDING'), ...Array<string>(8).fill('TOO_MANY_BUILDS')]);
    expect((await readAtoms(fixture.database.sql, environment.id)).length).toBe(ATOMS_PER_BUILD);
    expect(await prepare(draftOf('trait-0', 8))).toBe('ATOM_BUILDING');
    await buildAll(fixture.database, environment);
    expect(await prepare(draftOf('trait-0', 8))).toBe('ready');
    expect(await prepare(draftOf('trait-9', 8))).toBe('ATOM_BUILDING');
  });

  it('may have more atoms than that where nothing else is being built', async () => {
    await buildAll(fixture.database, environment);
    await index.advance();
    expect(await prepare(draftOf('large', 3 * ATOMS_PER_BUILD))).toBe('ATOM_BUILDING');
    expect(await prepare(draftOf('another', 1))).toBe('TOO_MANY_BUILDS');
  });
});
