import { RollcallError } from '../../core/errors.js';
import type { SourceSize } from '../../core/source.js';
import { isLive, readColumns } from './flagsmith-columns.js';
import type { FlagsmithDatabase } from './flagsmith-database.js';
import { IDENTITY_TABLE, supersededStatement, uniquenessStatement } from './identity-statements.js';

const ENVIRONMENT_TABLE = 'environments_environment';

/** What counting may take; then the planner's guess has to do. */
const COUNT_TIMEOUT_MS = 5_000;

/** Rows with an identifier that another row has, at most; they are kept in memory. */
const MAX_SUPERSEDED = 100_000;

/** Throws INVALID_DOCUMENT where there is no such environment, or it was deleted: nothing must be taken for an environment that became empty. */
export async function checkEnvironment(database: FlagsmithDatabase, environmentId: number, signal: AbortSignal) {
  const columns = await readColumns(database, { [ENVIRONMENT_TABLE]: ['id'] }, signal);
  const text = `select e.id from ${ENVIRONMENT_TABLE} e where e.id = $1::bigint and ${isLive(columns, ENVIRONMENT_TABLE, 'e')}`;
  const rows = await database.ask(() => ({ text, parameters: [environmentId] }), signal);
  if (rows.length === 0)
    throw new RollcallError('INVALID_DOCUMENT', `the Flagsmith database has no environment ${environmentId}`);
}

/** How many rows an environment has: counted, or where that takes long as the planner guesses. */
export async function estimateIdentities(
  database: FlagsmithDatabase,
  environmentId: number,
  signal: AbortSignal,
): Promise<SourceSize> {
  const filter = `from ${IDENTITY_TABLE} i where i.environment_id = ${environmentId}`;
  const timeout = AbortSignal.timeout(COUNT_TIMEOUT_MS);
  try {
    const statement = { text: `select count(*)::float8 as total ${filter}`, parameters: [] };
    const [row] = await database.ask<{ total: number }>(() => statement, AbortSignal.any([signal, timeout]));
    return { total: row?.total ?? 0, unit: 'identities' };
  } catch (error) {
    signal.throwIfAborted();
    if (!timeout.aborted) throw error;
  }
  return { total: await guessRows(database, `select ${filter}`, signal), unit: 'identities' };
}

async function guessRows(database: FlagsmithDatabase, query: string, signal: AbortSignal): Promise<number> {
  const statement = { text: `explain ${query}`, parameters: [] };
  const [row] = await database.ask<Record<string, string>>(() => statement, signal);
  return Number(/ rows=(\d+)/.exec(row?.['QUERY PLAN'] ?? '')?.[1] ?? 0);
}

/** The ids of rows whose identifier a later row of the environment has, too; none where the database itself keeps them unique. */
export async function readSuperseded(
  database: FlagsmithDatabase,
  environmentId: number,
  signal: AbortSignal,
): Promise<ReadonlySet<number>> {
  const [unique] = await database.ask<{ is_unique: boolean }>(() => uniquenessStatement, signal);
  if (unique?.is_unique === true) return new Set();
  const statement = supersededStatement(environmentId, MAX_SUPERSEDED + 1);
  const rows = await database.ask<{ id: number | string }>(() => statement, signal);
  if (rows.length <= MAX_SUPERSEDED) return new Set(rows.map(({ id }) => Number(id)));
  throw new RollcallError(
    'INVALID_DOCUMENT',
    `more than ${MAX_SUPERSEDED} rows of ${IDENTITY_TABLE} have an identifier that another row of the environment has`,
  );
}
