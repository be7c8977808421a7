import type { Database, Sql } from '../../storage/database.js';
import { databaseErrorCode, toRollcallError } from '../../storage/database-errors.js';

/** Runs single statements outside of any transaction. What the database fails with comes as a RollcallError, which tells whether it passes. */
export async function askDatabase<T>({ sql }: Pick<Database, 'sql'>, work: (sql: Sql) => Promise<T>): Promise<T> {
  try {
    return await work(sql);
  } catch (error) {
    throw databaseErrorCode(error) === undefined ? error : toRollcallError(error);
  }
}
