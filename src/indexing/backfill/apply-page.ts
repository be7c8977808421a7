import type { Change } from '../../core/changes.js';
import type { SkippedRow, SourceIdentity, SourcePage } from '../../core/source.js';
import { notePage } from '../../storage/backfills.js';
import type { Sql } from '../../storage/database.js';
import { findIdentities } from '../../storage/identities.js';
import { mendQuarantine, quarantinedEnvironments } from '../../storage/quarantine.js';
import { insertScanned } from '../../storage/touches.js';
import type { ApplyOptions, EnvironmentChange, RefusedChange } from '../applier.js';
import type { Prepared } from '../prepare-batch.js';
import type { NewIdentities } from '../prepare-new.js';
import { IdentityRace } from '../write-rows.js';
import { applyBeside, type BackfillOutcome, type BackfillRun } from './backfill-run.js';
import { BackfillEnded } from './end-backfill.js';

/** A page, and what it changes. */
export interface ReadyPage {
  readonly page: SourcePage;
  readonly changes: readonly EnvironmentChange[];
  /** Where its identities are expected to be new. */
  readonly expected: NewIdentities | undefined;
}

/** Changes of one page, or of a piece of it; the cursor moves with the last piece. */
interface Piece {
  readonly changes: readonly EnvironmentChange[];
  readonly end: (Pick<SourcePage, 'cursor' | 'position' | 'skipped'> & { readonly identitiesRead: number }) | undefined;
}

/** What a page of the source changes. */
export function readyPage({ environment }: BackfillRun, page: SourcePage): ReadyPage {
  const changes = page.identities.filter(({ environmentKey }) => environmentKey === environment.key).map(changeOf);
  return { page, changes, expected: undefined };
}

/** The page with what is found ahead where its identities are new. Should that fail, so will the page itself, and tell by what. */
export async function expectNew({ applier, environment }: BackfillRun, ready: ReadyPage): Promise<ReadyPage> {
  if (ready.expected !== undefined) return ready;
  const expected = await applier.prepareNew(environment, ready.changes).catch(() => undefined);
  return { ...ready, expected };
}

/**
 * Applies a page of a source: its identities, the place where it ends and what it skipped commit together (I2). Of rows with the same identifier the last counts. Where live changes of the same
 * identities keep coming in between, it goes in smaller pieces. Where its identities are expected to be new it is tried so first, and `onSent` is called when they are on their way. Whether none was there.
 */
export async function applyPage(
  run: BackfillRun,
  { page: { cursor, position, skipped }, changes, expected }: ReadyPage,
  onSent: () => void,
): Promise<boolean> {
  const end = { cursor, skipped, identitiesRead: changes.length, ...(position === undefined ? {} : { position }) };
  return applyPiece(run, { changes, end }, { expected, onSent });
}

async function applyPiece(
  run: BackfillRun,
  piece: Piece,
  how: Pick<ApplyOptions, 'expected' | 'onSent'>,
): Promise<boolean> {
  const { changes, end } = piece;
  let wereNew = false;
  const finish = async (tx: Sql, done: BackfillOutcome): Promise<void> => {
    wereNew = !done.outcome.prepared.some(({ parts }) => parts.some(({ rows }) => rows.some(({ isLive }) => isLive)));
    await note(tx, run, piece, done);
  };
  try {
    await applyBeside(run, changes, finish, how);
    return wereNew;
  } catch (error) {
    if (!(error instanceof IdentityRace) || changes.length < 2) throw error;
    const half = Math.ceil(changes.length / 2);
    await applyPiece(run, { changes: changes.slice(0, half), end: undefined }, {});
    return applyPiece(run, { changes: changes.slice(half), end }, {});
  }
}

function changeOf(
  { environmentKey, identifier, id, keyOverride, traits }: SourceIdentity,
  index: number,
): EnvironmentChange {
  const change: Change = {
    kind: 'upsert',
    identifier,
    traits,
    ...(id === undefined ? {} : { identityId: id }),
    ...(keyOverride === undefined ? {} : { keyOverride }),
  };
  return { environmentKey, index, change };
}

async function note(
  tx: Sql,
  { environment, backfill, owner, leaseMs }: BackfillRun,
  { end }: Piece,
  { changes, refused, outcome }: BackfillOutcome,
): Promise<void> {
  const skipped = [...(end?.skipped ?? []), ...refused.map(skippedRow)];
  if (backfill.isSweeping) {
    const kept = await storedOrdinals(tx, environment.id, skipped);
    await insertScanned(tx, environment.id, backfill.id, ascending([...outcome.prepared.flatMap(ordinalsOf), ...kept]));
  }
  if ((await quarantinedEnvironments(tx, [environment.id])).size > 0) {
    const mended = changes.map(({ change }) => change.identifier);
    await mendQuarantine(tx, environment.id, mended, backfill.startedAt);
  }
  const isOurs = await notePage(tx, backfill, owner, leaseMs, {
    cursor: end?.cursor,
    position: end?.position,
    identitiesRead: end?.identitiesRead ?? 0,
    identitiesChanged: outcome.prepared.reduce((sum, { changed }) => sum + changed, 0),
    skipped,
  });
  if (!isOurs) throw new BackfillEnded();
}

function skippedRow({ environmentKey, change, error }: RefusedChange): SkippedRow {
  const { identifier, identityId } = change;
  const where = identityId === undefined ? `identity ${identifier}` : `identity ${identityId}`;
  return { where, environmentKey, identifier, reason: error.reason, explanation: error.message };
}

/** The identities that a batch found or created, whether it changed them or not. */
function ordinalsOf({ parts }: Prepared): number[] {
  return parts.flatMap(({ changes, rows, ordinals }) => [
    ...changes.flatMap(({ change }) => change.identityId ?? ordinals.get(change.identifier) ?? []),
    ...rows.filter(({ isLive }) => isLive).map(({ id }) => id),
  ]);
}

/** What is stored of rows that could not be taken stays. */
async function storedOrdinals(tx: Sql, environmentId: number, skipped: readonly SkippedRow[]): Promise<number[]> {
  const identifiers = skipped.map(({ identifier }) => identifier).filter((identifier) => identifier !== '');
  if (identifiers.length === 0) return [];
  const found = await findIdentities(tx, environmentId, { identifiers, ids: [] });
  return found.map(({ id }) => id);
}

function ascending(ordinals: readonly number[]): number[] {
  return [...new Set(ordinals)].sort((a, b) => a - b);
}
