import { createHash } from 'node:crypto';
import { RollcallError } from '../core/errors.js';
import type { Sql } from './database.js';

/** Stores the values once under the SHA-256 of their sorted distinct JSON, and gives them a name in the project; that SHA-256 in hex. */
export async function writeOperandList(
  sql: Sql,
  project: string,
  name: string,
  values: ReadonlySet<string>,
): Promise<string> {
  const operands = JSON.stringify([...values].sort());
  const sha256 = createHash('sha256').update(operands).digest('hex');
  await sql`
    insert into operand_list (sha256, count, operands) values (decode(${sha256}, 'hex'), ${values.size}, ${operands}) on conflict do nothing`;
  await sql`
    insert into operand_list_name (project, name, sha256) values (${project}, ${name}, decode(${sha256}, 'hex'))
    on conflict (project, name) do update set sha256 = excluded.sha256, updated_at = now()`;
  return sha256;
}

/** The content that a name stands for, SHA-256 in hex; undefined where there is no such list. */
export async function findOperandList(sql: Sql, project: string, name: string): Promise<string | undefined> {
  const [row] = await sql<{ sha256: string }[]>`
    select encode(sha256, 'hex') as sha256 from operand_list_name where project = ${project} and name = ${name}`;
  return row?.sha256;
}

/** The same with how many values it has. */
export async function findListContent(
  sql: Sql,
  project: string,
  name: string,
): Promise<{ readonly sha256: string; readonly size: number } | undefined> {
  const [row] = await sql<{ sha256: string; size: number }[]>`
    select encode(sha256, 'hex') as sha256, count as size from operand_list_name join operand_list using (sha256)
    where project = ${project} and name = ${name}`;
  return row;
}

/** The values of a list. Throws LIST_NOT_FOUND. */
export async function readOperandList(sql: Sql, sha256: string): Promise<ReadonlySet<string>> {
  const [row] = await sql<
    { operands: string }[]
  >`select operands from operand_list where sha256 = decode(${sha256}, 'hex')`;
  if (row === undefined)
    throw new RollcallError('LIST_NOT_FOUND', 'a stored operand list is missing', { metadata: { list: sha256 } });
  return parseOperands(row.operands);
}

function parseOperands(text: string): ReadonlySet<string> {
  const parsed: unknown = JSON.parse(text);
  if (!Array.isArray(parsed)) throw new RollcallError('INDEX_CORRUPT', 'a stored operand list is damaged');
  return new Set(parsed.map(String));
}
