import type { MessageInitShape } from '@bufbuild/protobuf';
import { RollcallError } from '../../core/errors.js';
import type { ApplyChangesRequestSchema } from '../../gen/rollcall/v1/ingest_service_pb.js';
import { IngestService } from '../../gen/rollcall/v1/ingest_service_pb.js';
import type { IdentityChangeSchema } from '../../gen/rollcall/v1/identity_change_pb.js';
import type { RollcallClient } from '../client.js';
import { traitMessages } from '../trait-messages.js';
import type { ImportRow } from './import-rows.js';

export type ChangeInit = MessageInitShape<typeof IdentityChangeSchema>;
export type ImportMode = 'upsert' | 'set-traits';

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
  readonly mode: ImportMode;
}

/**
 * Applies the rows in batches, in order. An error of one row names its line in the metadata; the batches before it stay applied, and
 * running the same import again is harmless.
 */
export async function applyRows(client: RollcallClient, options: ApplyOptions, rows: AsyncIterable<ImportRow>): Promise<Applied> {
  const lines: number[] = [];
  async function* changes(): AsyncGenerator<ChangeInit> {
    for await (const row of rows) {
      lines.push(row.line);
      yield changeOf(row, options);
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
  changes: Iterable<ChangeInit> | AsyncIterable<ChangeInit>,
  onBatch: (changes: number) => void = () => undefined,
): Promise<Applied> {
  const { applied, unchanged, revisions } = await client.callWithStream(IngestService.method.applyChanges, batchesOf(changes, onBatch));
  return { applied, unchanged, revision: revisions[0]?.revision };
}

async function* batchesOf(
  changes: Iterable<ChangeInit> | AsyncIterable<ChangeInit>,
  onBatch: (changes: number) => void,
): AsyncGenerator<MessageInitShape<typeof ApplyChangesRequestSchema>> {
  let batch: ChangeInit[] = [];
  let bytes = 0;
  for await (const change of changes) {
    batch.push(change);
    bytes += approximateBytes(change);
    if (batch.length < BATCH_CHANGES && bytes < BATCH_BYTES) continue;
    yield { changes: batch };
    onBatch(batch.length);
    batch = [];
    bytes = 0;
  }
  if (batch.length === 0) return;
  yield { changes: batch };
  onBatch(batch.length);
}

function changeOf({ identifier, id, traits }: ImportRow, { environment, mode }: ApplyOptions): ChangeInit {
  const value = { traits: traitMessages(mode === 'upsert' ? withoutNulls(traits) : traits) };
  return {
    environmentKey: environment,
    identifier,
    ...(id === undefined ? {} : { identityId: id }),
    change: mode === 'upsert' ? { case: 'upsert', value } : { case: 'setTraits', value },
  };
}

function withoutNulls(traits: ImportRow['traits']): ImportRow['traits'] {
  const entries = Object.entries(traits);
  return entries.some(([, value]) => value === null) ? Object.fromEntries(entries.filter(([, value]) => value !== null)) : traits;
}

const CHANGE_BYTES = 40;
const TRAIT_BYTES = 16;

/** About as long as the change is on the wire: texts at two bytes a character. */
function approximateBytes({ identifier = '', change }: ChangeInit): number {
  if (change?.case !== 'upsert' && change?.case !== 'setTraits') return CHANGE_BYTES + identifier.length;
  let bytes = CHANGE_BYTES + identifier.length;
  for (const [name, trait] of Object.entries(change.value.traits ?? {})) {
    bytes += TRAIT_BYTES + name.length + (trait.kind?.case === 'stringValue' ? 2 * trait.kind.value.length : 0);
  }
  return bytes;
}

function withLine(error: unknown, lines: readonly number[]): unknown {
  if (!(error instanceof RollcallError)) return error;
  const line = lines[Number(error.metadata['index'] ?? -1)];
  if (line === undefined) return error;
  const applied = error.metadata['applied'] ?? '0';
  const message = `line ${line}: ${error.message} (the ${applied} changes before its batch stay applied)`;
  return new RollcallError(error.reason, message, { metadata: { ...error.metadata, line: String(line) }, cause: error });
}
