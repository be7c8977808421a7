import type postgres from 'postgres';
import { RollcallError } from '../core/errors.js';
import type { ConnectionLease } from './connections/connection-lease.js';
import { ConnectionLeases } from './connections/connection-leases.js';
import { abortError, databaseErrorCode, isTransactionConflict, toRollcallError } from './database-errors.js';
import { IDLE_TRANSACTION_TIMEOUT_MS, openDriver } from './connections/driver.js';
import type { DriverOptions, SqlTypes } from './connections/driver.js';
import { SharedPool } from './connections/shared-pool.js';

/**
 * Runs statements: the database's handle (each statement its own transaction), or that of a transaction. A text bound
 * to a jsonb parameter is encoded once more by the driver: write `${text}::text::jsonb`.
 */
export type Sql = postgres.ISql<SqlTypes>;

export interface DatabaseOptions extends DriverOptions {
  /** At least 2: a third is for single statements, the rest for transactions. Listening takes one more. */
  readonly maxConnections: number;
}

export interface Database {
  /** For single statements, outside of any transaction. */
  readonly sql: Sql;
  readonly leases: ConnectionLeases;
  readonly statementTimeoutMs: number;
  /** Notifications, only a hint: those sent while the connection is away are lost. `onListen` follows every (re)connect. */
  listen(channel: string, onNotification: (payload: string) => void, onListen: () => void): Promise<void>;
  /** Waits for what is running for at most `timeoutMs`, then cuts it off. */
  close(timeoutMs: number): Promise<void>;
}

export interface TransactionOptions {
  readonly isolation: 'read committed' | 'repeatable read';
  readonly readOnly?: boolean;
  /** How often to run it once more after a serialization failure or a deadlock. */
  readonly retries?: number;
  /** Instead of the connection's; 0 is no limit. */
  readonly statementTimeoutMs?: number;
  /** Aborting cancels the running statement in Postgres and rolls back. */
  readonly signal?: AbortSignal | undefined;
}

const OLDEST_SERVER_VERSION = 140_000;
const QUERY_CANCELED = '57014';
const DEFAULT_RETRIES = 10;
/** What an answer may take on the way, beyond the time that Postgres itself allows a statement. */
const NETWORK_GRACE_MS = 10_000;

/** Connects lazily: a database that is away shows in the first statement, within the connect timeout. */
export function connectDatabase(options: DatabaseOptions): Database {
  const { maxConnections, statementTimeoutMs } = options;
  const sharedConnections = Math.max(1, Math.floor(maxConnections / 3));
  const shared = new SharedPool((onClose) => openDriver(options, sharedConnections, onClose), statementTimeoutMs);
  const leases = new ConnectionLeases({
    maxLeases: Math.max(1, maxConnections - sharedConnections),
    acquireTimeoutMs: statementTimeoutMs,
    connect: (onClose) => openDriver(options, 1, onClose),
    terminate: (pid) => void shared.sql`select pg_terminate_backend(${pid})`.catch(() => undefined),
  });
  const listener = openDriver(options, 1, () => undefined);
  return {
    sql: shared.sql,
    leases,
    statementTimeoutMs,
    async listen(channel, onNotification, onListen) {
      await rethrowAsRollcallError(listener.listen(channel, onNotification, onListen));
    },
    async close(timeoutMs) {
      await Promise.all([
        shared.close(timeoutMs),
        leases.close(timeoutMs),
        listener.end({ timeout: timeoutMs / 1000 }),
      ]);
    },
  };
}

/**
 * Runs `work` in a transaction of its own connection; again from the start after a conflict, so `work` must not leave
 * anything behind that a second run would repeat. When the connection is lost during the commit, whether it
 * committed is unknown: DATABASE_UNAVAILABLE.
 */
export async function inTransaction<T>(
  database: Database,
  options: TransactionOptions,
  work: (tx: Sql) => Promise<T>,
): Promise<T> {
  const retries = options.retries ?? DEFAULT_RETRIES;
  for (let attempt = 0; ; attempt++) {
    try {
      return await onLease(database, options, (lease, sql) => transact(lease, sql, options, work));
    } catch (error) {
      if (attempt >= retries || !isTransactionConflict(error))
        throw databaseErrorCode(error) === undefined ? error : toRollcallError(error);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(500, 5 * 2 ** attempt)));
    }
  }
}

/** Runs statements on a connection of their own, such that aborting the signal cancels the running one in Postgres. */
export async function runCancellable<T>(
  database: Database,
  signal: AbortSignal | undefined,
  work: (sql: Sql) => Promise<T>,
): Promise<T> {
  return rethrowAsRollcallError(onLease(database, { signal }, (_lease, sql) => work(sql)));
}

/** Runs single statements outside of any transaction. What the database fails with comes as a RollcallError, which tells whether it passes. */
export async function askDatabase<T>({ sql }: Pick<Database, 'sql'>, work: (sql: Sql) => Promise<T>): Promise<T> {
  return rethrowAsRollcallError(work(sql));
}

/** Fails unless the server answers, lets us in, and is a PostgreSQL that Rollcall works with. */
export async function checkServerVersion(sql: Sql): Promise<void> {
  const [row] = await rethrowAsRollcallError(sql<{ number: number; name: string }[]>`
    select current_setting('server_version_num')::int as number, current_setting('server_version') as name`);
  if (row !== undefined && row.number >= OLDEST_SERVER_VERSION) return;
  throw new RollcallError(
    'DATABASE_UNAVAILABLE',
    `PostgreSQL 14 or newer is needed; the server is ${row?.name ?? 'unknown'}`,
  );
}

async function onLease<T>(
  database: Database,
  {
    signal,
    statementTimeoutMs = database.statementTimeoutMs,
  }: Pick<TransactionOptions, 'signal' | 'statementTimeoutMs'>,
  work: (lease: ConnectionLease, sql: Sql) => Promise<T>,
): Promise<T> {
  return database.leases.lend(signal, async (lease) => {
    const longest = Math.max(statementTimeoutMs, IDLE_TRANSACTION_TIMEOUT_MS) + NETWORK_GRACE_MS;
    const onAbort = (): void => lease.cut();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      signal?.throwIfAborted();
      return await work(lease, await lease.startUse(statementTimeoutMs === 0 ? 0 : longest));
    } catch (error) {
      if (signal?.aborted === true) throw abortError(signal);
      throw lease.isLost && databaseErrorCode(error) === QUERY_CANCELED ? connectionLost(error) : error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      lease.endUse();
    }
  });
}

/** The driver says of a statement that never left it that it was cancelled. */
function connectionLost(cause: unknown): RollcallError {
  return new RollcallError('DATABASE_UNAVAILABLE', 'The connection to the database was lost', { cause });
}

async function transact<T>(
  lease: ConnectionLease,
  sql: Sql,
  options: TransactionOptions,
  work: (tx: Sql) => Promise<T>,
): Promise<T> {
  try {
    await sql.unsafe(beginStatement(options));
    const result = await work(sql);
    const { command } = await lease.continueUse().unsafe('commit');
    if (command !== 'COMMIT')
      throw new RollcallError('INTERNAL', 'A statement of the transaction had failed; it was rolled back');
    return result;
  } catch (error) {
    await rollBack(lease);
    throw error;
  }
}

function beginStatement({ isolation, readOnly = false, statementTimeoutMs }: TransactionOptions): string {
  const begin = `begin isolation level ${isolation} ${readOnly ? 'read only' : 'read write'}`;
  return statementTimeoutMs === undefined
    ? begin
    : `${begin}; set local statement_timeout = ${Math.ceil(statementTimeoutMs)}`;
}

/** What failed may have left work behind that goes on: no statement of it may come after the rollback and commit by itself. */
async function rollBack(lease: ConnectionLease): Promise<void> {
  try {
    await lease.continueUse().unsafe('rollback');
  } catch {
    lease.cut();
  }
}

async function rethrowAsRollcallError<T>(outcome: PromiseLike<T>): Promise<T> {
  try {
    return await outcome;
  } catch (error) {
    throw databaseErrorCode(error) === undefined ? error : toRollcallError(error);
  }
}
