import type { RollcallError } from '../../core/errors.js';
import { askDatabase, type Database, type Sql } from '../../storage/database.js';
import { insertDeadLetters, type NewDeadLetter } from '../../storage/dead-letters.js';
import { keysOff } from '../../storage/environment-gates.js';
import { advancePartition, type Place } from '../../storage/kafka-offsets.js';
import { quarantine } from '../../storage/quarantine.js';
import { resolveCaptures } from '../capture/resolve-captures.js';
import type { Applier, EnvironmentChange, RefusedChange } from '../applier.js';
import { type DecodedSlice, mergeChanges, type MessageChange, type SkippedMessage } from './decode-slice.js';
import type { KafkaMessage } from './message.js';
import { deadLettersOf, identitiesToQuarantine, skippedOf } from './skipped-messages.js';

/** Messages of one partition that are applied in one transaction: the partition goes on at `next`. One without messages only releases captured rows that waited. */
export interface Slice {
  readonly place: Place;
  readonly next: number;
  readonly messages: readonly KafkaMessage[];
}

/** Where and by whom slices are applied. */
export interface SliceWriter {
  readonly database: Database;
  readonly applier: Applier;
  readonly owner: string;
}

/** Another owner advanced the partition before: nothing of the slice was applied here (I7). */
export class PartitionLost extends Error {
  override readonly name = 'PartitionLost';
}

/**
 * Applies a slice in one transaction: identity rows, log row, dead letters, quarantine, captured state and the partition's offset (I2, I3). `expected` is
 * where the partition must stand. Its dead letters. Throws PartitionLost.
 */
export async function applySlice(
  writer: SliceWriter,
  slice: Slice,
  decoded: DecodedSlice,
  expected: number,
): Promise<readonly NewDeadLetter[]> {
  const captures =
    decoded.captured.length === 0 && slice.messages.length > 0
      ? undefined
      : await askDatabase(writer.database, (sql) => resolveCaptures(sql, slice.place, decoded.captured));
  const changes = mergeChanges(decoded.changes, captures?.resolved ?? []);
  const skipped: readonly SkippedMessage[] = [...decoded.skipped, ...(captures?.refused ?? [])];
  return commit(writer, { slice, changes, skipped, expected, writeCaptures: (tx) => captures?.write(tx) });
}

/** Passes over a message that makes its transaction fail whatever is tried: only its dead letter and the offset are written. Throws PartitionLost. */
export async function passOver(
  writer: SliceWriter,
  slice: Slice,
  { message, error }: { readonly message: KafkaMessage; readonly error: RollcallError },
  expected: number,
): Promise<readonly NewDeadLetter[]> {
  return commit(writer, {
    slice,
    changes: [],
    skipped: [{ message, error }],
    expected,
    writeCaptures: () => undefined,
  });
}

interface Work {
  readonly slice: Slice;
  readonly changes: readonly MessageChange[];
  readonly skipped: readonly SkippedMessage[];
  readonly expected: number;
  readonly writeCaptures: (tx: Sql) => Promise<void> | undefined;
}

async function commit(writer: SliceWriter, work: Work): Promise<readonly NewDeadLetter[]> {
  const { slice, changes, expected } = work;
  const batch: EnvironmentChange[] = changes.map(({ environmentKey, change }, index) => ({
    environmentKey,
    index,
    change,
  }));
  const step = {
    place: slice.place,
    expected,
    next: slice.next,
    watermarkMs: newestTimestamp(slice.messages),
    owner: writer.owner,
  };
  let letters: readonly NewDeadLetter[] = [];
  await writer.applier.apply(batch, {
    passesOver: true,
    async alongside(tx, refused) {
      letters = await writeSkipped(tx, work, refused);
      await work.writeCaptures(tx);
      if (!(await advancePartition(tx, step))) throw new PartitionLost('another owner advanced the partition');
    },
  });
  return letters;
}

/** What is of environments that are off is passed over as well. */
async function writeSkipped(
  tx: Sql,
  { slice, changes, skipped }: Work,
  refused: readonly RefusedChange[],
): Promise<readonly NewDeadLetter[]> {
  if (skipped.length === 0 && refused.length === 0) return [];
  const all = [...skipped, ...skippedOf(changes, refused)];
  const found = deadLettersOf(slice.place.cluster, all);
  const off = await keysOff(tx, [...new Set(found.map(({ environmentKey }) => environmentKey))]);
  const letters = found.filter(({ environmentKey }) => !off.has(environmentKey));
  const names = identitiesToQuarantine(all, changes, refused);
  await insertDeadLetters(tx, letters);
  await quarantine(
    tx,
    names.filter(({ environmentKey }) => !off.has(environmentKey)),
  );
  return letters;
}

/** The newest time of the slice's messages that is not in the future: one dated 2099 moves nothing. */
function newestTimestamp(messages: readonly KafkaMessage[]): number | undefined {
  const now = Date.now();
  let newest = -1;
  for (const { timestampMs } of messages) if (timestampMs > newest && timestampMs <= now) newest = timestampMs;
  return newest < 0 ? undefined : newest;
}
