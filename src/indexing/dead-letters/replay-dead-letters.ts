import { RollcallError } from '../../core/errors.js';
import type { Database, Sql } from '../../storage/database.js';
import { mendReplayed } from '../../storage/dead-letter-replays.js';
import { dropDeadLetters } from '../../storage/dead-letter-selection.js';
import { type DeadLetter, getDeadLetters, insertDeadLetters } from '../../storage/dead-letters.js';
import { holdPartition, type Place, readNextOffset } from '../../storage/kafka-offsets.js';
import { quarantine } from '../../storage/quarantine.js';
import type { AppliedBatch, ApplyOptions, EnvironmentChange } from '../applier.js';
import { resolveCaptures } from '../capture/resolve-captures.js';
import { decodeSlice, mergeChanges, type SkippedMessage } from '../kafka/decode-slice.js';
import { deadLettersOf, skippedOf } from '../kafka/skipped-messages.js';
import { messageOf, placeOf } from './letter-message.js';

/** Where and through what dead letters are applied. */
export interface Replayer {
  readonly database: Database;
  readonly applier: { apply(changes: readonly EnvironmentChange[], options?: ApplyOptions): Promise<AppliedBatch> };
}

/** A dead letter that failed again, and why. */
export interface FailedReplay {
  readonly id: number;
  readonly error: RollcallError;
}

/** What became of dead letters; `revisions` are those by which each environment shows what was applied. */
export interface Replay {
  readonly replayed: number;
  readonly failed: readonly FailedReplay[];
  readonly revisions: ReadonlyMap<string, number>;
}

/** Times that letters are tried that others take away, or whose partition moves on. */
const MAX_ATTEMPTS = 20;

/** The letters, or the partition whose captured rows they belong to, are not as they were read. */
class LettersMoved extends Error {
  override readonly name = 'LettersMoved';
}

/**
 * Applies dead letters of one partition, given by id, in one transaction that also removes them and ends quarantines; those that fail again stay. Where the
 * transaction fails for a letter that cannot be told, halves are tried by themselves. Throws errors that pass by themselves, and CONFLICT where others move the
 * same letters again and again.
 */
export async function replayDeadLetters(replayer: Replayer, letters: readonly DeadLetter[]): Promise<Replay> {
  let left = letters;
  for (let attempt = 1; ; attempt++) {
    const [first] = left;
    if (first === undefined) return { replayed: 0, failed: [], revisions: new Map() };
    try {
      return await replayTogether(replayer, placeOf(first), left);
    } catch (error) {
      if (!(error instanceof LettersMoved)) return replayHalves(replayer, left, error);
      if (attempt === MAX_ATTEMPTS)
        throw new RollcallError('CONFLICT', 'the dead letters were changed again and again meanwhile');
    }
    left = await getDeadLetters(
      replayer.database.sql,
      left.map(({ id }) => id),
    );
  }
}

async function replayHalves(replayer: Replayer, letters: readonly DeadLetter[], error: unknown): Promise<Replay> {
  if (!(error instanceof RollcallError) || error.isRetryable || error.reason === 'CANCELLED') throw error;
  const [only, ...others] = letters;
  if (only !== undefined && others.length === 0)
    return { replayed: 0, failed: [{ id: only.id, error }], revisions: new Map() };
  const middle = Math.ceil(letters.length / 2);
  const first = await replayDeadLetters(replayer, letters.slice(0, middle));
  const second = await replayDeadLetters(replayer, letters.slice(middle));
  return {
    replayed: first.replayed + second.replayed,
    failed: [...first.failed, ...second.failed],
    revisions: new Map([...first.revisions, ...second.revisions]),
  };
}

async function replayTogether(
  { database, applier }: Replayer,
  place: Place,
  letters: readonly DeadLetter[],
): Promise<Replay> {
  const decoded = decodeSlice(letters.map(messageOf));
  const standsAt = await readNextOffset(database.sql, place);
  const captures =
    decoded.captured.length === 0 ? undefined : await resolveCaptures(database.sql, place, decoded.captured);
  const changes = mergeChanges(decoded.changes, captures?.resolved ?? []);
  const batch = changes.map(({ environmentKey, change }, index) => ({ environmentKey, index, change }));
  let failed: readonly SkippedMessage[] = [];
  const { revisions } = await applier.apply(batch, {
    async alongside(tx, refused) {
      failed = [...decoded.skipped, ...(captures?.refused ?? []), ...skippedOf(changes, refused)];
      await settle(tx, place, letters, failed);
      if (captures === undefined) return;
      if ((await holdPartition(tx, place)) !== standsAt) throw new LettersMoved('the partition moved on');
      await captures.write(tx);
    },
  });
  const byOffset = new Map(failed.map(({ message, error }) => [message.offset, error]));
  const failedLetters = letters.flatMap(({ id, offset }) => {
    const error = byOffset.get(offset);
    return error === undefined ? [] : [{ id, error }];
  });
  return { replayed: letters.length - failedLetters.length, failed: failedLetters, revisions };
}

/** Removes the letters that did not fail, and ends quarantines. A captured row that had waited for one of them and failed is a dead letter now. */
async function settle(
  tx: Sql,
  place: Place,
  letters: readonly DeadLetter[],
  failed: readonly SkippedMessage[],
): Promise<void> {
  const failedOffsets = new Set(failed.map(({ message }) => message.offset));
  const done = letters.filter(({ offset }) => !failedOffsets.has(offset));
  const deleted = await dropDeadLetters(tx, { kind: 'ids', ids: done.map(({ id }) => id) });
  if (deleted !== done.length) throw new LettersMoved('a dead letter was taken away');
  await mendReplayed(tx, done);
  const known = new Set(letters.map(({ offset }) => offset));
  const fresh = deadLettersOf(
    place.cluster,
    failed.filter(({ message }) => !known.has(message.offset)),
  );
  await insertDeadLetters(tx, fresh);
  await quarantine(
    tx,
    fresh.filter(({ identifier }) => identifier !== ''),
  );
}
