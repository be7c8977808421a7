import type { Sql } from './database.js';

/** What keeps an organisation off; '' while it is on. */
export type Gate = '' | 'flag' | 'denylist';
/** Whether the indexes of an organisation are kept or purged while it is off; '' as configured. */
export type WhenOff = '' | 'keep' | 'purge';
/** A value of an organisation's attributes, as JSON. */
export type AttributeValue = string | number | boolean | null | AttributeValue[] | { [member: string]: AttributeValue };
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** An owner of environments. It exists where an environment names it or where it was put. */
export interface Organisation {
  readonly key: string;
  readonly name: string;
  /** What the flag is evaluated with, beside the key and the name. */
  readonly attributes: Attributes;
  readonly gate: Gate;
  /** Whether its gate was ever decided: until then it is on. */
  readonly isDecided: boolean;
  readonly whenOff: WhenOff;
  /** When its gate last turned; null where it never did. */
  readonly gatedAt: Date | null;
}

/** What is to be changed of an organisation. */
export type OrganisationChanges = Partial<Pick<Organisation, 'name' | 'attributes' | 'whenOff'>>;

const columns = (sql: Sql) => sql`
  key, coalesce(name, '') as name, coalesce(attributes, '{}') as attributes, coalesce(gate, '') as gate,
  coalesce(is_decided, false) as "isDecided", coalesce(when_off, '') as "whenOff", gated_at as "gatedAt"`;

/** Organisations by key, after `afterKey`, at most `limit`: those that were put and those that live environments name. */
export async function listOrganisations(sql: Sql, afterKey: string, limit: number): Promise<Organisation[]> {
  return sql<Organisation[]>`
    select ${columns(sql)} from (
      select key from organisation where key > ${afterKey}
      union select organisation from environment where deleted_at is null and organisation > ${afterKey}
      order by 1 limit ${limit}
    ) as known left join organisation using (key) order by key`;
}

/** The organisation with this key; undefined where nobody put it and no environment names it. */
export async function findOrganisation(sql: Sql, key: string): Promise<Organisation | undefined> {
  const [row] = await sql<Organisation[]>`
    select ${columns(sql)} from (
      select key from organisation where key = ${key}
      union select organisation from environment where deleted_at is null and organisation = ${key}
    ) as known left join organisation using (key)`;
  return row;
}

/** Puts an organisation that is not there, then locks and reads it: nothing of it changes until the transaction ends. Taken before projects and heads. */
export async function lockOrganisation(tx: Sql, key: string): Promise<Organisation> {
  await tx`insert into organisation (key) values (${key}) on conflict (key) do nothing`;
  const [row] = await tx<Organisation[]>`select ${columns(tx)} from organisation where key = ${key} for update`;
  if (row === undefined) throw new RangeError('an organisation that was put is not there');
  return row;
}

/** The gate of an organisation, put where it is not there, as it stays until the transaction ends. Taken before projects and heads. */
export async function holdGate(tx: Sql, key: string): Promise<Gate> {
  await tx`insert into organisation (key) values (${key}) on conflict (key) do nothing`;
  const [row] = await tx<{ gate: Gate }[]>`select gate from organisation where key = ${key} for share`;
  return row?.gate ?? '';
}

/** Changes what is given of an organisation that is locked. */
export async function changeOrganisation(
  tx: Sql,
  { key, ...current }: Organisation,
  changes: OrganisationChanges,
): Promise<Organisation> {
  const { name, attributes, whenOff } = { ...current, ...changes };
  const [row] = await tx<Organisation[]>`
    update organisation set name = ${name}, attributes = ${JSON.stringify(attributes)}::text::jsonb, when_off = ${whenOff}
    where key = ${key} returning ${columns(tx)}`;
  if (row === undefined) throw new RangeError('a locked organisation is not there');
  return row;
}

/** Notes the gate of an organisation that is locked. */
export async function decideGate(tx: Sql, { key, gate: before }: Organisation, gate: Gate): Promise<void> {
  await tx`
    update organisation set gate = ${gate}, is_decided = true, gated_at = ${before === gate ? tx`gated_at` : tx`clock_timestamp()`}
    where key = ${key}`;
}
