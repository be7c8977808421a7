import { type Database, runCancellable, type Sql } from './database.js';
import { INT8_ARRAY } from './environments.js';
import { isLongForm, readIdentities, SEPARATOR } from './identities.js';

/**
 * The identifiers of a page of ordinals, in their order: UTF-8, each followed by SEPARATOR, which is in none of them. Where one is
 * too long or odd for that, `identifiers` has them one by one instead.
 */
export type MemberPage =
  | { readonly kind: 'packed'; readonly ordinals: Float64Array; readonly bytes: Buffer }
  | { readonly kind: 'listed'; readonly ordinals: Float64Array; readonly identifiers: readonly string[] };

/** From this share of an ordinal range on, reading all of it and testing the bitmap in Postgres beats looking each ordinal up. */
const DENSE_SHARE = 0.3;
/** Fewer ordinals than these are not worth a query of their own, only because they lie close together. */
const MIN_DENSE_ORDINALS = 1_000;

/**
 * Reads the identifiers of ordinals, which ascend: one aggregated row, from the index alone. Tombstones' too: the members are those of the
 * caller's revision. An ordinal whose row is gone altogether is left out of the page.
 */
export async function readMemberPage(
  database: Database,
  environmentId: number,
  ordinals: Float64Array,
  signal: AbortSignal,
): Promise<MemberPage> {
  const first = ordinals[0];
  const last = ordinals[ordinals.length - 1];
  if (first === undefined || last === undefined) return { kind: 'packed', ordinals, bytes: Buffer.alloc(0) };
  return runCancellable(database, signal, async (sql) => {
    const [row] = await sql`
      select count(*)::int, string_agg(identifier || ${SEPARATOR}, '' order by id) from identity
      where environment_id = ${environmentId} and ${isAmong(sql, ordinals, first, last)}`.raw();
    const bytes = row?.[1] ?? Buffer.alloc(0);
    const isWhole = Number(row?.[0]?.toString() ?? 0) === ordinals.length;
    if (isWhole && !isLongForm(bytes)) return { kind: 'packed', ordinals, bytes };
    return readOneByOne(sql, environmentId, ordinals);
  });
}

/**
 * How many of these ordinals, which ascend, are best read at once: all, or those before a gap that would make a dense page a
 * sparse one.
 */
export function densePrefix(ordinals: Float64Array): number {
  const first = ordinals[0] ?? 0;
  let length = ordinals.length;
  while (length >= MIN_DENSE_ORDINALS && !isDense(length, (ordinals[length - 1] ?? 0) - first + 1)) length--;
  return length < MIN_DENSE_ORDINALS ? ordinals.length : length;
}

function isDense(count: number, span: number): boolean {
  return count > span * DENSE_SHARE;
}

/** Ordinals without a gap need no test: as many rows as ordinals are just those. */
function isAmong(sql: Sql, ordinals: Float64Array, first: number, last: number) {
  const span = last - first + 1;
  if (!isDense(ordinals.length, span)) return sql`id = any(${sql.array([...ordinals], INT8_ARRAY)})`;
  const isInRange = sql`id between ${first} and ${last}`;
  if (ordinals.length === span) return isInRange;
  return sql`${isInRange} and get_bit(${bitsOf(ordinals, first, last)}::bytea, (id - ${first})::int) = 1`;
}

async function readOneByOne(sql: Sql, environmentId: number, ordinals: Float64Array): Promise<MemberPage> {
  const rows = await readIdentities(sql, environmentId, [...ordinals], false);
  return {
    kind: 'listed',
    ordinals: Float64Array.from(rows, ({ id }) => id),
    identifiers: rows.map(({ identifier }) => identifier),
  };
}

/** A bit for each ordinal of [first, last], as `get_bit` numbers them. */
function bitsOf(ordinals: Float64Array, first: number, last: number): Buffer {
  const bits = Buffer.alloc(Math.floor((last - first) / 8) + 1);
  for (const ordinal of ordinals) {
    const offset = ordinal - first;
    const byte = offset >>> 3;
    bits[byte] = (bits[byte] ?? 0) | (1 << (offset & 7));
  }
  return bits;
}
