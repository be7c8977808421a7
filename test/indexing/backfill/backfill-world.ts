import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { IdentitySource } from '../../../src/core/source.js';
import { beginBackfill } from '../../../src/indexing/backfill/begin-backfill.js';
import { runBackfill } from '../../../src/indexing/backfill/run-backfill.js';
import { verify } from '../../../src/indexing/verify.js';
import type { Backfill } from '../../../src/storage/backfills.js';
import type { Database } from '../../../src/storage/database.js';
import { type Environment, findEnvironment } from '../../../src/storage/environments.js';
import { createApplier, readTruth } from '../../helpers/fixture.js';

export async function begin(
  database: Database,
  environment: Environment,
  { restart = false, isSweeping = true }: { restart?: boolean; isSweeping?: boolean } = {},
): Promise<Backfill> {
  const request = { source: 'flagsmith', sourceName: 'a list', requestedBy: 'a test', identitiesPerSecond: 0 } as const;
  return (await beginBackfill(database, environment, { ...request, isSweeping, restart })).backfill;
}

export interface RunHow {
  readonly owner?: string;
  readonly signal?: AbortSignal;
  readonly leaseMs?: number;
}

/** Runs a backfill as a process of its own would. */
export async function run(
  database: Database,
  environment: Environment,
  backfill: Pick<Backfill, 'id'>,
  source: IdentitySource,
  { owner = randomUUID(), signal = new AbortController().signal, leaseMs = 30_000 }: RunHow = {},
): Promise<Backfill | undefined> {
  const how = { owner, signal, leaseMs, onCommitted: () => undefined };
  return runBackfill(database, createApplier(database), environment, backfill, source, how);
}

/** The traits of the live identities by identifier. */
export async function states(database: Database, environment: Environment): Promise<Record<string, unknown>> {
  const { identities } = await readTruth(database, environment);
  const entries = identities.map(({ identifier, traits }): [string, unknown] => [
    identifier,
    Object.fromEntries(traits),
  ]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export async function current(database: Database, { key }: Environment): Promise<Environment> {
  const environment = await findEnvironment(database.sql, key);
  if (environment === undefined) throw new Error('the environment is gone');
  return environment;
}

/** Every stored bitmap is what evaluating its atom over the stored identities gives (I1, I4, I11). */
export async function expectVerified(database: Database, environment: Environment): Promise<void> {
  const how = { sampleShare: 1, maxRanges: Infinity, signal: new AbortController().signal };
  expect((await verify(database, environment, how)).differences).toEqual([]);
}
