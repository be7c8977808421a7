import { randomUUID } from 'node:crypto';
import type { Change } from '../../src/core/changes.js';
import { OrdinalSet } from '../../src/core/bitmap.js';
import { UNIVERSE_ATOM_ID } from '../../src/core/flips.js';
import type { IdentityView } from '../../src/core/properties/properties.js';
import type { Condition, SegmentDefinition } from '../../src/core/segments.js';
import { splitTraits } from '../../src/core/trait-text.js';
import {
  Applier,
  type AppliedBatch,
  type CommittedRevision,
  type EnvironmentChange,
} from '../../src/indexing/applier.js';
import { buildAtom } from '../../src/indexing/build.js';
import { createEnvironment } from '../../src/indexing/catalog-writer.js';
import { fold } from '../../src/indexing/fold.js';
import { createSegment, type SegmentDraft, updateSegment } from '../../src/indexing/segment-writer.js';
import { viewOf } from '../../src/indexing/writer-catalog.js';
import { EnvironmentIndex, type IndexOptions, type Selection } from '../../src/query/environment-index.js';
import { type Freshness, select } from '../../src/query/select.js';
import { SetCache } from '../../src/query/set-cache.js';
import { readAtoms, readUniverse } from '../../src/storage/atoms.js';
import { connectDatabase, type Database, inTransaction } from '../../src/storage/database.js';
import { type Environment, type NewEnvironment, type OrdinalMode, readHead } from '../../src/storage/environments.js';
import { createTestDatabase, TEST_CONNECTION } from './postgres.js';

/** A database with what a process would make of it, part by part; nothing runs by itself. */
export interface Fixture {
  readonly url: string;
  readonly database: Database;
  /** Another pool on the same database, as another process would have. */
  readonly connect: () => Database;
  /** A new environment, alone in its project, unless the options say otherwise. */
  readonly environment: (options?: Partial<NewEnvironment>) => Promise<Environment>;
  readonly drop: () => Promise<void>;
}

export async function createFixture(): Promise<Fixture> {
  const created = await createTestDatabase();
  const { url, db } = created;
  const opened: Database[] = [];
  return {
    url,
    database: db,
    connect() {
      const other = connectDatabase({ ...TEST_CONNECTION, url });
      opened.push(other);
      return other;
    },
    environment(options = {}) {
      const key = `env-${randomUUID()}`;
      const ordinalMode: OrdinalMode = 'allotted';
      return createEnvironment(
        db,
        {
          key,
          name: 'Env',
          project: key,
          organisation: 'org',
          ordinalMode,
          identityKeyMode: 'composite',
          ...options,
        },
        'test',
      );
    },
    async drop() {
      await Promise.all(opened.map((other) => other.close(1_000)));
      await created.drop();
    },
  };
}

/** An applier that tells nobody, or `onCommitted`. */
export function createApplier(
  database: Database,
  onCommitted: (revision: CommittedRevision) => void = () => undefined,
): Applier {
  return new Applier(database, onCommitted);
}

/** Numbers changes of one environment. */
export function batch({ key }: Pick<Environment, 'key'>, changes: readonly Change[]): EnvironmentChange[] {
  return changes.map((change, index) => ({ environmentKey: key, index, change }));
}

export async function applyTo(
  applier: Applier,
  environment: Environment,
  ...changes: readonly Change[]
): Promise<AppliedBatch> {
  return applier.apply(batch(environment, changes));
}

/** A new environment with these identities. */
export async function environmentOf(fixture: Fixture, ...identities: readonly Change[]): Promise<Environment> {
  const environment = await fixture.environment();
  await applyTo(createApplier(fixture.database), environment, ...identities);
  return environment;
}

/** A new environment with identities that all have the plan `pro`, and a segment `pro` of them, which is built. */
export async function environmentOfPros(fixture: Fixture, identifiers: readonly string[]): Promise<Environment> {
  const environment = await fixture.environment();
  await putSegment(fixture.database, environment, 'pro', definition([condition('plan', 'EQUAL', 'pro')]));
  await buildAll(fixture.database, environment);
  const pros = identifiers.map((identifier) => upsert(identifier, { plan: '"pro"' }));
  await applyTo(createApplier(fixture.database), environment, ...pros);
  return environment;
}

/** A full state of an identity. Traits are JSON texts. */
export function upsert(identifier: string, traits: Readonly<Record<string, string>> = {}, identityId?: number): Change {
  return {
    kind: 'upsert',
    identifier,
    ...(identityId === undefined ? {} : { identityId }),
    traits: new Map(Object.entries(traits)),
  };
}

/** Some traits of an identity; null removes one. */
export function setTraits(
  identifier: string,
  traits: Readonly<Record<string, string | null>>,
  identityId?: number,
): Change {
  return {
    kind: 'set_traits',
    identifier,
    ...(identityId === undefined ? {} : { identityId }),
    traits: new Map(Object.entries(traits)),
  };
}

export function remove(identifier: string, identityId?: number): Change {
  return { kind: 'delete', identifier, ...(identityId === undefined ? {} : { identityId }), traits: new Map() };
}

/** A definition of one rule. */
export function definition(conditions: readonly Condition[], rest: Partial<SegmentDefinition> = {}): SegmentDefinition {
  return { dialect: 'flagsmith', enabled: true, parent: '', rules: [{ type: 'ALL', conditions, rules: [] }], ...rest };
}

export function condition(property: string, operator: string, value = ''): Condition {
  return { property, operator, value };
}

function draft(environment: Environment, key: string, of: SegmentDefinition): SegmentDraft {
  return { project: environment.project, key, name: key, description: '', definition: of };
}

/** Creates a segment, or replaces it where it exists; its etag. */
export async function putSegment(
  database: Database,
  environment: Environment,
  key: string,
  of: SegmentDefinition,
): Promise<string> {
  const exists =
    (await database.sql`select from segment where project = ${environment.project} and key = ${key}`).length > 0;
  const write = exists
    ? updateSegment(
        database,
        { project: environment.project, key, etag: '' },
        () => draft(environment, key, of),
        'test',
      )
    : createSegment(database, draft(environment, key, of), 'test');
  return (await write).segment.etag;
}

/** How a builder of tests goes about it. */
export function buildOptions(owner: string = randomUUID()) {
  return { owner, leaseMs: 60_000, rangeChunks: 2, replayMaxBytes: 1000, signal: new AbortController().signal };
}

/** Builds every atom that nobody builds, the universe too. */
export async function buildAll(database: Database, environment: Environment): Promise<void> {
  const atoms = [await readUniverse(database.sql, environment.id), ...(await readAtoms(database.sql, environment.id))];
  for (const atom of atoms)
    if (atom?.state === 'building') await buildAtom(database, environment, atom.id, buildOptions());
}

/** Folds the log to its end. */
export async function foldAll(database: Database, environment: Environment, maxBytes = 10_000_000): Promise<void> {
  while (!(await fold(database, environment.id, maxBytes)));
}

/** An index as a process of its own would have it. `onCorrupt` and sizes may be set. */
export function createIndex(
  database: Database,
  environment: Environment,
  options: Partial<IndexOptions> = {},
): EnvironmentIndex {
  return new EnvironmentIndex(database, environment, {
    chunkCache: new SetCache(64 * 1024 * 1024),
    composedCache: new SetCache(64 * 1024 * 1024),
    maxStalenessMs: 60_000,
    onCorrupt: () => undefined,
    ...options,
  });
}

/** The members of a stored segment. */
export async function selectSegment(
  database: Database,
  index: EnvironmentIndex,
  key: string,
  freshness: Freshness = { level: 'latest' },
): Promise<Selection> {
  return select(database, index, { kind: 'segment', key }, freshness);
}

/** The identifiers of the members of a stored segment, sorted, at the newest revision. */
export async function membersOf(database: Database, environment: Environment, key: string): Promise<string[]> {
  const { set } = await selectSegment(database, createIndex(database, environment), key);
  const { identities } = await readTruth(database, environment);
  return identities
    .filter(({ id }) => set.has(id))
    .map(({ identifier }) => identifier)
    .sort();
}

/** The live identities as they are stored, at one revision. */
export interface Truth {
  readonly revision: number;
  readonly identities: readonly IdentityView[];
}

export async function readTruth(database: Database, environment: Environment): Promise<Truth> {
  return inTransaction(database, { isolation: 'repeatable read', readOnly: true }, async (tx) => {
    const head = await readHead(tx, environment.id);
    const rows = await tx<{ id: number; identifier: string; keyOverride: string | null; traits: string }[]>`
      select id, coalesce(long_identifier, identifier) as identifier, key_override as "keyOverride", traits::text as traits from identity
      where environment_id = ${environment.id} and deleted_revision is null order by id`;
    const identities = rows.map(({ id, identifier, keyOverride, traits }) =>
      viewOf(environment, id, { identifier, keyOverride: keyOverride ?? undefined, traits: splitTraits(traits) }),
    );
    return { revision: head?.revision ?? 0, identities };
  });
}

/** The ordinals of the identities for which `isTrue`. */
export function ordinalsWhere({ identities }: Truth, isTrue: (identity: IdentityView) => boolean): number[] {
  return identities.filter(isTrue).map(({ id }) => id);
}

/** The bitmap of an atom in an index, loaded where it is not in memory, at the newest revision; undefined where it is not ready. */
export async function bitmapOf(index: EnvironmentIndex, atomId: number): Promise<OrdinalSet | undefined> {
  await index.load([UNIVERSE_ATOM_ID, atomId]);
  // The first load throws away what was built again since, the second loads it anew.
  await index.load([UNIVERSE_ATOM_ID, atomId]);
  if (atomId === UNIVERSE_ATOM_ID) return index.cloneAtom('universe');
  const atom = index.catalog.atomById(atomId);
  return atom?.state === 'ready' ? index.cloneAtom(atom.key) : undefined;
}
