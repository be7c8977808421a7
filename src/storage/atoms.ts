import { type AtomDefinition, SEMANTICS_VERSION } from '../core/atoms.js';
import { UNIVERSE_ATOM_ID } from '../core/flips.js';
import type { Sql } from './database.js';
import { INT8_ARRAY } from './environments.js';

export type AtomState = 'building' | 'ready';

/**
 * An atom of one environment. Its chunks hold every revision up to `baseRevision`; while it is building, each chunk holds
 * those up to its own revision, and ordinals below `scannedBelow` have been scanned.
 */
export interface StoredAtom {
  readonly id: number;
  readonly key: string;
  readonly definition: AtomDefinition;
  readonly state: AtomState;
  readonly registeredRevision: number;
  readonly baseRevision: number;
  readonly chunks: number;
  readonly scannedBelow: number;
}

/** Where an atom's chunks stand. */
export interface AtomBase {
  readonly id: number;
  readonly state: AtomState;
  readonly baseRevision: number;
  readonly registeredRevision: number;
  readonly chunks: number;
}

/** To readers, builds and folds an atom of another semantics version is not ready. What is kept of it and counted goes by its row. */
const state = (sql: Sql) => sql`case when semantics = ${SEMANTICS_VERSION} then state else 'building' end`;

const columns = (sql: Sql) => sql`
  id, encode(key_sha256, 'hex') as key, definition, ${state(sql)} as state, registered_revision as "registeredRevision",
  base_revision as "baseRevision", chunks, scanned_below as "scannedBelow"`;

/** The row of the universe: an atom that is ready from the start. */
export async function insertUniverse(sql: Sql, environmentId: number): Promise<void> {
  await sql`
    insert into atom (environment_id, id, key_sha256, definition, semantics, state, registered_revision, base_revision, chunks, scanned_below)
    values (${environmentId}, ${UNIVERSE_ATOM_ID}, '\\x00', '{}', ${SEMANTICS_VERSION}, 'ready', 0, 0, 0, 0)`;
}

/** The atoms of an environment but for the universe, by id. */
export async function readAtoms(sql: Sql, environmentId: number): Promise<StoredAtom[]> {
  return sql<
    StoredAtom[]
  >`select ${columns(sql)} from atom where environment_id = ${environmentId} and id <> ${UNIVERSE_ATOM_ID} order by id`;
}

/** The universe of an environment, an atom without a definition. */
export async function readUniverse(sql: Sql, environmentId: number): Promise<StoredAtom | undefined> {
  const [row] = await sql<
    StoredAtom[]
  >`select ${columns(sql)} from atom where environment_id = ${environmentId} and id = ${UNIVERSE_ATOM_ID}`;
  return row;
}

/** Where the atoms with these ids stand, the universe among them, by id. */
export async function readBases(sql: Sql, environmentId: number, atomIds: readonly number[]): Promise<AtomBase[]> {
  return sql<AtomBase[]>`
    select id, ${state(sql)} as state, base_revision as "baseRevision", registered_revision as "registeredRevision", chunks
    from atom where environment_id = ${environmentId} and id = any(${sql.array([...atomIds], INT8_ARRAY)}) order by id`;
}

/** The ready atoms, locked in order of id: only their holder moves chunks and base. */
export async function lockReadyBases(sql: Sql, environmentId: number): Promise<AtomBase[]> {
  return sql<AtomBase[]>`
    select id, ${state(sql)} as state, base_revision as "baseRevision", registered_revision as "registeredRevision", chunks
    from atom where environment_id = ${environmentId} and state = 'ready' and semantics = ${SEMANTICS_VERSION} order by id for no key update`;
}

/** Moves the bases of atoms whose chunks now hold every revision up to `revision`. */
export async function moveBases(
  sql: Sql,
  environmentId: number,
  revision: number,
  atoms: readonly { id: number; chunks: number }[],
): Promise<void> {
  await sql`
    update atom set base_revision = ${revision}, chunks = moved.chunks
    from unnest(${sql.array(
      atoms.map(({ id }) => id),
      INT8_ARRAY,
    )}::bigint[], ${sql.array(
      atoms.map(({ chunks }) => chunks),
      INT8_ARRAY,
    )}::bigint[]) as moved (id, chunks)
    where atom.environment_id = ${environmentId} and atom.id = moved.id`;
}

/**
 * Registers atoms as building from `revision` on; equal ones that are there already are left as they are. The caller holds the
 * environment's head.
 */
export async function insertAtoms(
  sql: Sql,
  environmentId: number,
  revision: number,
  atoms: ReadonlyMap<string, AtomDefinition>,
): Promise<void> {
  for (const [key, definition] of atoms) {
    const [row] = await sql<{ id: number }[]>`
      update environment_head set next_atom_id = next_atom_id + 1 where environment_id = ${environmentId} returning next_atom_id - 1 as id`;
    if (row === undefined) continue;
    await sql`
      insert into atom (environment_id, id, key_sha256, definition, semantics, state, registered_revision, base_revision, chunks, scanned_below)
      values (${environmentId}, ${row.id}, decode(${key}, 'hex'), ${sql.json({ ...definition })}, ${SEMANTICS_VERSION}, 'building', ${revision}, 0, 0, 0)
      on conflict (environment_id, key_sha256) do nothing`;
  }
}

/** Turns a ready atom back to building from `revision` on, with nothing scanned; false where it is not ready. The caller holds the environment's head. */
export async function resetReadyAtom(
  sql: Sql,
  environmentId: number,
  atomId: number,
  revision: number,
): Promise<boolean> {
  return reset(sql, environmentId, atomId, revision, sql`state = 'ready' and semantics = ${SEMANTICS_VERSION}`);
}

/** Turns an atom of an earlier semantics version, whatever its state, into a building one of this; false where it is none. The caller holds the environment's head. */
export async function resetOutdatedAtom(
  sql: Sql,
  environmentId: number,
  atomId: number,
  revision: number,
): Promise<boolean> {
  return reset(sql, environmentId, atomId, revision, sql`semantics < ${SEMANTICS_VERSION}`);
}

/** Throws away what `builder` has built of an atom on which it holds the lease; false where it does not. The caller holds the environment's head. */
export async function resetBuildingAtom(
  sql: Sql,
  environmentId: number,
  atomId: number,
  revision: number,
  builder: string,
): Promise<boolean> {
  return reset(sql, environmentId, atomId, revision, sql`state = 'building' and lease_owner = ${builder}`);
}

async function reset(
  sql: Sql,
  environmentId: number,
  atomId: number,
  revision: number,
  isToBeReset: ReturnType<typeof state>,
): Promise<boolean> {
  const { count } = await sql`
    update atom set state = 'building', semantics = ${SEMANTICS_VERSION}, registered_revision = ${revision}, base_revision = 0, chunks = 0,
      scanned_below = 0, lease_owner = '', lease_until = '-infinity', used_at = now()
    where environment_id = ${environmentId} and id = ${atomId} and ${isToBeReset}`;
  if (count > 0) await sql`delete from atom_chunk where environment_id = ${environmentId} and atom_id = ${atomId}`;
  return count > 0;
}

/** Takes or renews the lease on a building atom; undefined where another builder holds it or it is no longer building. */
export async function leaseAtom(
  sql: Sql,
  environmentId: number,
  atomId: number,
  owner: string,
  leaseMs: number,
): Promise<StoredAtom | undefined> {
  const [row] = await sql<StoredAtom[]>`
    update atom set lease_owner = ${owner}, lease_until = now() + ${leaseMs} * interval '1 millisecond'
    where environment_id = ${environmentId} and id = ${atomId} and state = 'building' and semantics = ${SEMANTICS_VERSION}
      and (lease_until < now() or lease_owner = ${owner})
    returning ${columns(sql)}`;
  return row;
}

/** Notes how far the holder of the lease has scanned; false where the lease was lost. */
export async function noteScanned(
  sql: Sql,
  environmentId: number,
  atomId: number,
  owner: string,
  scannedBelow: number,
  leaseMs: number,
): Promise<boolean> {
  const { count } = await sql`
    update atom set scanned_below = ${scannedBelow}, lease_until = now() + ${leaseMs} * interval '1 millisecond'
    where environment_id = ${environmentId} and id = ${atomId} and lease_owner = ${owner} and state = 'building'`;
  return count === 1;
}

/** Turns a built atom ready at `revision`, if its lease still holds; false where it was lost. From then on it may expire: whoever waited for it has yet to ask. */
export async function markReady(
  sql: Sql,
  environmentId: number,
  atomId: number,
  owner: string,
  revision: number,
  chunks: number,
): Promise<boolean> {
  const { count } = await sql`
    update atom set state = 'ready', base_revision = ${revision}, chunks = ${chunks}, lease_owner = '', lease_until = '-infinity', used_at = now()
    where environment_id = ${environmentId} and id = ${atomId} and lease_owner = ${owner} and state = 'building'`;
  return count === 1;
}

/** Leaves an atom that `owner` builds, or nobody, alone for `forMs`: no builder takes it before. */
export async function postponeBuild(
  sql: Sql,
  environmentId: number,
  atomId: number,
  owner: string,
  forMs: number,
): Promise<void> {
  await sql`
    update atom set lease_owner = '', lease_until = now() + ${forMs} * interval '1 millisecond'
    where environment_id = ${environmentId} and id = ${atomId} and (lease_until < now() or lease_owner = ${owner})
      and (state = 'building' or semantics < ${SEMANTICS_VERSION})`;
}

/** Gives up the lease that `owner` holds on an atom, if it does: another builder need not wait for it to run out. */
export async function releaseAtom(sql: Sql, environmentId: number, atomId: number, owner: string): Promise<void> {
  await sql`
    update atom set lease_owner = '', lease_until = '-infinity'
    where environment_id = ${environmentId} and id = ${atomId} and lease_owner = ${owner}`;
}

/** An atom that waits for a builder; `isOutdated` is true for one of an earlier semantics version. */
export interface UnleasedAtom {
  readonly environmentId: number;
  readonly atomId: number;
  readonly isOutdated: boolean;
}

/** Atoms that are not built, or of an earlier semantics version, and that nobody but `owner` builds, of live environments, by environment and id. */
export async function unleasedAtoms(sql: Sql, owner: string, limit: number): Promise<UnleasedAtom[]> {
  return sql<UnleasedAtom[]>`
    select atom.environment_id as "environmentId", atom.id as "atomId", semantics < ${SEMANTICS_VERSION} as "isOutdated"
    from atom join environment on environment.id = atom.environment_id and environment.deleted_at is null
    where (state = 'building' and semantics = ${SEMANTICS_VERSION} or semantics < ${SEMANTICS_VERSION}) and (lease_until < now() or lease_owner = ${owner})
    order by atom.environment_id, atom.id limit ${limit}`;
}

/** Notes that atoms were asked for, which keeps those of drafts from expiring. Locks them in order of id, as folds do. */
export async function touchAtoms(sql: Sql, environmentId: number, atomIds: readonly number[]): Promise<void> {
  await sql`
    update atom set used_at = now() where environment_id = ${environmentId} and id in (
      select id from atom
      where environment_id = ${environmentId} and id = any(${sql.array([...atomIds], INT8_ARRAY)}) order by id for no key update)`;
}

/** The ready atoms that were last asked for longer ago than `idleMs`. */
export async function idleAtoms(
  sql: Sql,
  environmentId: number,
  idleMs: number,
): Promise<{ id: number; key: string }[]> {
  return sql<{ id: number; key: string }[]>`
    select id, encode(key_sha256, 'hex') as key from atom
    where environment_id = ${environmentId} and id <> ${UNIVERSE_ATOM_ID} and state = 'ready' and used_at < now() - ${idleMs} * interval '1 millisecond'`;
}

/** Removes atoms, which waits for a fold of them, then their chunks. The caller holds the environment's head. */
export async function deleteAtoms(sql: Sql, environmentId: number, atomIds: readonly number[]): Promise<void> {
  const ids = sql.array([...atomIds], INT8_ARRAY);
  await sql`delete from atom where environment_id = ${environmentId} and id = any(${ids})`;
  await sql`delete from atom_chunk where environment_id = ${environmentId} and atom_id = any(${ids})`;
}

/** The revision up to which no atom needs the log any more: the lowest base of ready atoms and registration of building ones. */
export async function lowestNeededRevision(sql: Sql, environmentId: number): Promise<number> {
  const [row] = await sql<{ revision: number | null }[]>`
    select min(case when state = 'ready' then base_revision else registered_revision end) as revision from atom where environment_id = ${environmentId}`;
  return row?.revision ?? 0;
}
