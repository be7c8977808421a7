import { RollcallError } from '../../core/errors.js';
import { IngestService } from '../../gen/rollcall/v1/ingest_service_pb.js';
import type { RollcallClient } from '../client.js';
import type { OutgoingChange } from './encode-change.js';
import { encodeChange } from './encode-change.js';
import type { ImportRow } from './import-rows.js';
import { rowChange, type RowMode } from './row-change.js';

/** Half of what the contract allows: smaller transactions, and a bar that moves. */
const BATCH_CHANGES = 5_000;

/** Well below what a server takes in one message. */
const BATCH_BYTES = 2 * 1024 * 1024;

export interface Applied {
  readonly applied: bigint;
  readonly unchanged: bigint;
  /** The revision that holds all of them; undefined where there was nothing to apply. */
  readonly revision: bigint | undefined;
}

export interface ApplyOptions {
  readonly environment: string;
  readonly mode: RowMode;
}

/**
 * Applies the rows in batches, in order. An error of one row names its line in the metadata; the batches before it stay applied, and
 * running the same import again is harmless.
 */
export async function applyRows(
  client: RollcallClient,
  options: ApplyOptions,
  rows: AsyncIterable<ImportRow>,
): Promise<Applied> {
  const lines: number[] = [];
  async function* changes(): AsyncGenerator<OutgoingChange> {
    for await (const row of rows) {
      lines.push(row.line);
      yield rowChange(row, options);
    }
  }
  try {
    return await applyChanges(client, changes());
  } catch (error) {
    throw withLine(error, lines);
  }
}

/** Applies changes in batches through one call. */
export async function applyChanges(
  client: RollcallClient,
  changes: Iterable<OutgoingChange> | AsyncIterable<OutgoingChange>,
  onBatch: (changes: number) => void = () => undefined,
): Promise<Applied> {
  const answer = await client.callWithStream(IngestService.method.applyChanges, batchesOf(changes, onBatch));
  return { applied: answer.applied, unchanged: answer.unchanged, revision: answer.revisions[0]?.revision };
}

/** Requests, already encoded. */
async function* batchesOf(
  changes: Iterable<OutgoingChange> | AsyncIterable<OutgoingChange>,
  onBatch: (changes: number) => void,
): AsyncGenerator<Buffer> {
  let batch: Buffer[] = [];
  let bytes = 0;
  for await (const change of changes) {
    const encoded = encodeChange(change);
    batch.push(encoded);
    bytes += encoded.length;
    if (batch.length < BATCH_CHANGES && bytes < BATCH_BYTES) continue;
    yield Buffer.concat(batch, bytes);
    onBatch(batch.length);
    batch = [];
    bytes = 0;
  }
  if (batch.length === 0) return;
  yield Buffer.concat(batch, bytes);
  onBatch(batch.length);
}

function withLine(error: unknown, lines: readonly number[]): unknown {
  if (!(error instanceof RollcallError)) return error;
  const line = lines[Number(error.metadata['index'] ?? -1)];
  if (line === undefined) return error;
  const applied = error.metadata['applied'] ?? '0';
  const message = `line ${line}: ${error.message} (the ${applied} changes before its batch stay applied)`;
  return new RollcallError(error.reason, message, {
    metadata: { ...error.metadata, line: String(line) },
    cause: error,
  });
}
