import { type AtomDefinition, SEMANTICS_VERSION } from '../core/atoms.js';
import { UNIVERSE_ATOM_ID } from '../core/flips.js';
import type { Sql } from './database.js';
import { INT8_ARRAY, TEXT_ARRAY } from './environments.js';

/** Each definition may take as much as an operand does. */
const ATOMS_PER_INSERT = 200;

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

/** What is known of an atom without its definition. `isKept`: a segment needs it. */
interface KnownAtom {
  readonly id: number;
  readonly key: string;
  readonly isReady: boolean;
  readonly isKept: boolean;
}

/** More keys are looked for here: a planner without statistics may look through all of them for each atom. */
const MAX_KEYS_LOOKED_UP = 500;

/** The atoms with these keys that the environment has, in no order. */
async function knownAtoms(sql: Sql, environmentId: number, keys: ReadonlySet<string>): Promise<KnownAtom[]> {
  const bytes = sql`array(select decode(key, 'hex') from unnest(${sql.array([...keys], TEXT_ARRAY)}::text[]) as keys (key))`;
  const isWanted = keys.size > MAX_KEYS_LOOKED_UP ? sql`` : sql`and key_sha256 = any(${bytes})`;
  const known = await sql<KnownAtom[]>`
    select id, encode(key_sha256, 'hex') as key, ${state(sql)} = 'ready' as "isReady", not is_draft and unneeded_since is null as "isKept"
    from atom where environment_id = ${environmentId} and id <> ${UNIVERSE_ATOM_ID} ${isWanted}`;
  return known.filter(({ key }) => keys.has(key));
}

/** Those of the keys of which the environment has an atom. */
export async function knownAtomKeys(sql: Sql, environmentId: number, keys: ReadonlySet<string>): Promise<Set<string>> {
  return new Set((await knownAtoms(sql, environmentId, keys)).map(({ key }) => key));
}

/** Whether the environment has all the atoms with these keys, ready. */
export async function areReady(sql: Sql, environmentId: number, keys: ReadonlySet<string>): Promise<boolean> {
  const ready = (await knownAtoms(sql, environmentId, keys)).filter(({ isReady }) => isReady);
  return ready.length === keys.size;
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
  isDraft = false,
): Promise<void> {
  const all = [...atoms];
  for (let done = 0; done < all.length; done += ATOMS_PER_INSERT) {
    const some = all.slice(done, done + ATOMS_PER_INSERT);
    const records = JSON.stringify(some.map(([key, definition], offset) => ({ key, definition, offset })));
    await sql`
      with head as (
        update environment_head set next_atom_id = next_atom_id + ${some.length} where environment_id = ${environmentId}
        returning next_atom_id - ${some.length} as first
      )
      insert into atom (environment_id, id, key_sha256, definition, semantics, state, registered_revision, base_revision, chunks, scanned_below, is_draft)
      select ${environmentId}, head.first + new.offset, decode(new.key, 'hex'), new.definition, ${SEMANTICS_VERSION}, 'building', ${revision}, 0, 0, 0, ${isDraft}
      from head, jsonb_to_recordset(${records}::text::jsonb) as new (key text, definition jsonb, "offset" bigint)
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
      scanned_below = 0, lease_owner = '', lease_until = '-infinity', used_at = now(), is_rebuilt = true
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

/** An atom that waits for a builder; `isOutdated` is true for one of an earlier semantics version. Atoms of equal `subject` are of one column: they test the same trait, none against a stored list. */
export interface UnleasedAtom {
  readonly environmentId: number;
  readonly atomId: number;
  readonly isOutdated: boolean;
  readonly subject: string;
}

/** Atoms that are not built, or of an earlier semantics version, and that nobody but `owner` builds, of live environments that are on, by environment and id. */
export async function unleasedAtoms(sql: Sql, owner: string, limit: number): Promise<UnleasedAtom[]> {
  return sql<UnleasedAtom[]>`
    select atom.environment_id as "environmentId", atom.id as "atomId", semantics < ${SEMANTICS_VERSION} as "isOutdated",
      case when definition ->> 'kind' = 'trait' and definition ->> 'property' <> '' and definition ->> 'list' = ''
        then concat('trait ', definition ->> 'property') else atom.id::text end as subject
    from atom join environment on environment.id = atom.environment_id and environment.deleted_at is null and environment.state <> 'off'
    where (atom.state = 'building' and semantics = ${SEMANTICS_VERSION} or semantics < ${SEMANTICS_VERSION}) and (lease_until < now() or lease_owner = ${owner})
    order by atom.environment_id, atom.id limit ${limit}`;
}

/** Notes that atoms were asked for, which keeps those of drafts from expiring. Locks them in order of id, as folds do. */
export async function touchAtoms(sql: Sql, environmentId: number, atomIds: readonly number[]): Promise<void> {
  await sql`
    update atom set used_at = now() where environment_id = ${environmentId} and id in (
      select id from atom
      where environment_id = ${environmentId} and id = any(${sql.array([...atomIds], INT8_ARRAY)}) order by id for no key update)`;
}

/** Notes that segments need the atoms with these keys. Locks them in order of id, as folds do. */
export async function noteNeeded(sql: Sql, environmentId: number, keys: ReadonlySet<string>): Promise<void> {
  const ids = (await knownAtoms(sql, environmentId, keys)).flatMap(({ id, isKept }) => (isKept ? [] : [id]));
  if (ids.length === 0) return;
  await sql`
    update atom set is_draft = false, unneeded_since = null
    where environment_id = ${environmentId} and id in (${lockedIds(sql, environmentId, ids)})`;
}

/** Notes from now on that no segment needs the others, but for those of drafts. Locks them in order of id, as folds do. */
export async function noteUnneeded(sql: Sql, environmentId: number, neededKeys: ReadonlySet<string>): Promise<void> {
  const kept = await sql<{ id: number; key: string }[]>`
    select id, encode(key_sha256, 'hex') as key from atom
    where environment_id = ${environmentId} and id <> ${UNIVERSE_ATOM_ID} and not is_draft and unneeded_since is null`;
  const ids = kept.filter(({ key }) => !neededKeys.has(key)).map(({ id }) => id);
  if (ids.length === 0) return;
  await sql`
    update atom set unneeded_since = now()
    where environment_id = ${environmentId} and id in (${lockedIds(sql, environmentId, ids)})`;
}

const lockedIds = (sql: Sql, environmentId: number, ids: readonly number[]) => sql`
  select id from atom
  where environment_id = ${environmentId} and id = any(${sql.array([...ids], INT8_ARRAY)}) order by id for no key update`;

/** How long atoms are kept that no segment needs. */
export interface AtomExpiry {
  /** Since they were last asked for, all of them. */
  readonly draftExpiryMs: number;
  /** Since a segment needed them, where one did. */
  readonly graceMs: number;
  /** The same of percentage splits, which hold for one segment only. */
  readonly splitGraceMs: number;
}

/** The atoms that are kept no longer, by id. Those of drafts only once they are ready: until then their drafts wait. */
export async function expiredAtoms(
  sql: Sql,
  environmentId: number,
  { draftExpiryMs, graceMs, splitGraceMs }: AtomExpiry,
): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select id from atom
    where environment_id = ${environmentId} and id <> ${UNIVERSE_ATOM_ID} and used_at < now() - ${draftExpiryMs} * interval '1 millisecond'
      and case when is_draft then state = 'ready' else unneeded_since < now() - interval '1 millisecond'
        * case when definition ->> 'operator' = 'PERCENTAGE_SPLIT' then ${splitGraceMs}::float8 else ${graceMs}::float8 end end
    order by id`;
  return rows.map(({ id }) => id);
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
