import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ORDINAL_LIMIT } from '../../src/core/bitmap.js';
import type { Change } from '../../src/core/changes.js';
import type { EnvironmentSettings, IdentityKeyMode } from '../../src/core/environment-settings.js';
import { RollcallError } from '../../src/core/errors.js';
import { UNIVERSE_ATOM_ID } from '../../src/core/flips.js';
import type { SegmentDefinition } from '../../src/core/segments.js';
import type { CommittedRevision } from '../../src/indexing/applier.js';
import { buildAtom } from '../../src/indexing/build.js';
import { dropExpiredAtoms, keepUpAtoms } from '../../src/indexing/atom-upkeep.js';
import { rebuildAtom, registerAtoms } from '../../src/indexing/catalog-writer.js';
import { fold, trim } from '../../src/indexing/fold.js';
import { removeSegment } from '../../src/indexing/segment-writer.js';
import { updateEnvironment } from '../../src/indexing/update-environment.js';
import { verify } from '../../src/indexing/verify.js';
import type { EnvironmentIndex } from '../../src/query/environment-index.js';
import { readAtoms } from '../../src/storage/atoms.js';
import type { Database } from '../../src/storage/database.js';
import type { Environment, OrdinalMode } from '../../src/storage/environments.js';
import {
  applyTo,
  bitmapOf,
  buildAll,
  buildOptions,
  createApplier,
  createFixture,
  createIndex,
  type Fixture,
  ordinalsWhere,
  putSegment,
  readTruth,
  selectSegment,
  type Truth,
} from '../helpers/fixture.js';
import { isAtomTrue, isMember } from '../helpers/oracle.js';
import { changes, checkProperty, definitions, segmentSets } from '../helpers/random-segments.js';

const USERS = 40;
const ROUNDS = 3;
/** Reasons that a reader may meet while atoms are built and the log is trimmed. */
const PASSING = new Set(['ATOM_BUILDING', 'CURSOR_EXPIRED', 'SEGMENT_NOT_FOUND', 'INDEX_CORRUPT']);

let fixture: Fixture;
let pools: readonly Database[];
beforeAll(async () => {
  fixture = await createFixture();
  pools = [fixture.connect(), fixture.connect(), fixture.connect()];
});
afterAll(() => fixture.drop());

/** Ordinals of a source: in several chunks, and beyond 2^32. */
function givenId(user: number, isSecond: boolean): number {
  return (user % 3) * 2 ** 32 + user * 9973 * 7 + (isSecond ? 1 : 0);
}

const scenarios = fc.constantFrom<OrdinalMode>('allotted', 'given').chain((mode) => {
  const batches = fc.array(
    fc.array(changes(USERS, mode === 'given' ? givenId : undefined), { minLength: 1, maxLength: 15 }),
    { minLength: 1, maxLength: 4 },
  );
  const round = fc.record({
    writers: fc.array(batches, { minLength: 3, maxLength: 3 }),
    edited: definitions(['s0']),
    draft: definitions([]),
    isRemoved: fc.boolean(),
    settings: fc.record({
      name: fc.constantFrom('Env', 'pro'),
      identityKeyMode: fc.constantFrom<IdentityKeyMode>('composite', 'id'),
    }),
  });
  return fc.record({
    mode: fc.constant(mode),
    segments: segmentSets(6),
    rounds: fc.array(round, { minLength: ROUNDS, maxLength: ROUNDS }),
  });
});
type Scenario = typeof scenarios extends fc.Arbitrary<infer T> ? T : never;

/** One environment with three writers in processes of their own, the long-lived index of each, and what its segments are meant to be. */
class World {
  environment: Environment;
  readonly #indexes: readonly EnvironmentIndex[];
  readonly #definitions = new Map<string, SegmentDefinition>();
  #isChanging = false;
  #isBeingSet = false;

  constructor(environment: Environment) {
    this.environment = environment;
    this.#indexes = pools.map((pool) => createIndex(pool, environment));
  }

  async put(key: string, definition: SegmentDefinition): Promise<void> {
    await putSegment(fixture.database, this.environment, key, definition);
    this.#definitions.set(key, definition);
  }

  async remove(key: string): Promise<void> {
    await removeSegment(fixture.database, { project: this.environment.project, key, etag: '' }, 'test');
    this.#definitions.delete(key);
  }

  /** Other settings of the environment. */
  async set(settings: EnvironmentSettings): Promise<void> {
    this.#isBeingSet = true;
    this.environment = (await updateEnvironment(fixture.database, this.environment.key, settings, 'test')).environment;
    this.#isBeingSet = false;
  }

  /** Everything at once: writers, builders, folds, trims, readers, an edited segment, a draft that comes and goes and other settings. */
  async run({ writers, edited, draft, isRemoved, settings }: Scenario['rounds'][number], round: number): Promise<void> {
    this.#isChanging = true;
    const background = [
      this.#repeat(() => this.#build()),
      this.#repeat(() => this.#fold()),
      this.#repeat(() => this.#read()),
      this.#repeat(() => this.#rebuild()),
    ];
    const key = `late${round}`;
    await Promise.all([
      ...writers.map((batches, writer) => this.#write(writer, batches)),
      this.put(key, edited)
        .then(() => this.put('s5', edited))
        .then(() => (isRemoved ? this.remove(key) : undefined)),
      this.#useDraft(draft),
      this.set(settings),
    ]);
    this.#isChanging = false;
    await Promise.all(background);
  }

  async #repeat(work: () => Promise<void>): Promise<void> {
    while (this.#isChanging) await work();
  }

  async #write(writer: number, batches: readonly (readonly Change[])[]): Promise<void> {
    const [pool, index] = [pools[writer] ?? fixture.database, this.#indexes[writer]];
    const applier = createApplier(pool, (revision: CommittedRevision) => index?.offer(revision));
    for (const batch of batches) await applyTo(applier, this.environment, ...batch);
  }

  async #build(): Promise<void> {
    const building = (await readAtoms(fixture.database.sql, this.environment.id)).filter(
      ({ state }) => state === 'building',
    );
    await Promise.all(
      building
        .slice(0, 4)
        .map(({ id }) => buildAtom(fixture.database, this.environment, id, { ...buildOptions(), replayMaxBytes: 50 })),
    );
    if (building.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  async #fold(): Promise<void> {
    await fold(fixture.database, this.environment.id, 300);
    await trim(fixture.database, this.environment.id, 0);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async #rebuild(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const [atom] = await readAtoms(fixture.database.sql, this.environment.id);
    if (atom !== undefined) await rebuildAtom(fixture.database, this.environment, atom.id);
  }

  async #useDraft(draft: SegmentDefinition): Promise<void> {
    const [pool, index] = [pools[0] ?? fixture.database, createIndex(fixture.database, this.environment)];
    await index.advance();
    await registerAtoms(pool, this.environment, index.catalog.atomsMissingFor('draft', draft));
    await this.#build();
    await keepUpAtoms(pool, this.environment, undefined);
    await dropExpiredAtoms(pool, this.environment, { draftExpiryMs: 0, graceMs: 0, splitGraceMs: 0 });
  }

  /** A read in the midst of it, at one exact revision, gives what the identities were then. */
  async #read(): Promise<void> {
    const { environment } = this;
    const truth = await readTruth(fixture.database, environment);
    const reads = this.#indexes.map(async (index, number) => {
      for (const key of [...this.#definitions.keys()].slice(0, 3)) {
        const definitionsThen = new Map(this.#definitions);
        const environmentThen = this.environment;
        try {
          const { set, served } = await selectSegment(pools[number] ?? fixture.database, index, key, {
            level: 'exact',
            revision: truth.revision,
          });
          const isSettled = !this.#isBeingSet && environmentThen === environment && this.environment === environment;
          if (served.isPending || key === 's5' || !isSettled) continue;
          expect([...set], `${key} at revision ${truth.revision}`).toEqual(this.#members(truth, key, definitionsThen));
        } catch (error) {
          if (!(error instanceof RollcallError) || !PASSING.has(error.reason)) throw error;
        }
      }
    });
    await Promise.all(reads);
  }

  #members(truth: Truth, key: string, of: ReadonlyMap<string, SegmentDefinition>): number[] {
    return ordinalsWhere(truth, (identity) =>
      isMember(key, identity, { environment: this.environment, definitions: of }),
    );
  }

  /** Nobody writes: every atom and segment, in memory that followed and loaded anew, is what the oracle says. */
  async check(): Promise<void> {
    await buildAll(fixture.database, this.environment);
    const truth = await readTruth(fixture.database, this.environment);
    const truths = {
      composite: await readTruth(fixture.database, { ...this.environment, identityKeyMode: 'composite' }),
      id: await readTruth(fixture.database, { ...this.environment, identityKeyMode: 'id' }),
    };
    const atoms = await readAtoms(fixture.database.sql, this.environment.id);
    expect(atoms.filter(({ state }) => state !== 'ready')).toEqual([]);
    for (const index of [...this.#indexes, createIndex(fixture.database, this.environment)]) {
      expect([...((await bitmapOf(index, UNIVERSE_ATOM_ID)) ?? [])]).toEqual(ordinalsWhere(truth, () => true));
      for (const { id, definition } of atoms) {
        const expected = ordinalsWhere(truths[definition.settings?.identityKeyMode ?? 'id'], (identity) =>
          isAtomTrue(definition, identity, { environment: this.environment }),
        );
        expect([...((await bitmapOf(index, id)) ?? [])], JSON.stringify(definition)).toEqual(expected);
      }
      for (const key of this.#definitions.keys()) {
        const { set, revision, served } = await selectSegment(fixture.database, index, key);
        expect([revision, served.isPending]).toEqual([truth.revision, false]);
        expect([...set], key).toEqual(this.#members(truth, key, this.#definitions));
      }
    }
    const verified = await verify(fixture.database, this.environment, {
      sampleShare: 1,
      maxRanges: Infinity,
      signal: new AbortController().signal,
    });
    expect(verified.differences).toEqual([]);
  }
}

describe('I1: a ready atom at a revision equals its predicate over the identities at that revision', () => {
  it('while several processes write, atoms are built and dropped, segments edited, the environment set otherwise, the log folded and trimmed', async () => {
    expect(givenId(USERS, true)).toBeLessThan(ORDINAL_LIMIT);
    await checkProperty(
      fc.asyncProperty(scenarios, async ({ mode, segments, rounds }) => {
        const world = new World(await fixture.environment({ ordinalMode: mode }));
        for (const [key, definition] of segments) await world.put(key, definition);
        for (const [number, round] of rounds.entries()) {
          await world.run(round, number);
          await world.check();
        }
      }),
      4,
    );
  });
});
