import { create } from '@bufbuild/protobuf';
import { RollcallError } from '../../core/errors.js';
import { type IdentityChange, IdentityChangeSchema } from '../../gen/rollcall/v1/identity_change_pb.js';
import {
  type ApplyChangesRequest,
  ApplyChangesRequestSchema,
  type IngestService,
} from '../../gen/rollcall/v1/ingest_service_pb.js';
import type { Applier, EnvironmentChange } from '../../indexing/applier.js';
import { decodeChange, type KeyedChange } from '../../indexing/decode.js';
import { sliceBatch } from '../../indexing/wire/batch-slices.js';
import { decodePlainProtobuf } from '../../indexing/wire/decode-protobuf.js';
import type { Handlers } from '../transport/handlers.js';
import { decodeRequest } from '../transport/request-reader.js';
import { checkMessage } from '../transport/validation.js';

/** What the contract allows in one batch. */
const MAX_CHANGES = 10_000;

/** A batch whose changes are still in their bytes. */
interface SlicedBatch extends ApplyChangesRequest {
  readonly slices: readonly Buffer[];
}

/** Leaves the changes of a batch in their bytes, each to be decoded by hand. */
export function decodeBatch(bytes: Buffer): SlicedBatch | undefined {
  const slices = sliceBatch(bytes, MAX_CHANGES);
  return slices === undefined ? undefined : { ...create(ApplyChangesRequestSchema), slices };
}

/** The handlers of IngestService. Each message is one batch, applied whole or not at all; those before it stay applied. */
export function ingestHandlers(applier: Applier, maxBatchChanges: number): Handlers<typeof IngestService> {
  return {
    async applyChanges(requests) {
      const revisions = new Map<string, number>();
      let unchanged = 0;
      let received = 0;
      let batch = 0;
      for await (const request of requests) {
        const applied = await applyBatch(applier, request, { batch, received, maxBatchChanges });
        for (const [environment, revision] of applied.revisions) revisions.set(environment, revision);
        unchanged += applied.unchanged;
        received += changesOf(request).length;
        batch++;
      }
      return {
        revisions: [...revisions]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([environment, revision]) => ({ environment, revision: BigInt(revision) })),
        applied: BigInt(received),
        unchanged: BigInt(unchanged),
      };
    },
  };
}

interface Place {
  readonly batch: number;
  /** Changes of the call before this batch. */
  readonly received: number;
  readonly maxBatchChanges: number;
}

function changesOf(request: ApplyChangesRequest | SlicedBatch): readonly (IdentityChange | Buffer)[] {
  return 'slices' in request ? request.slices : request.changes;
}

/** Throws INVALID_REQUEST, INVALID_IDENTIFIER or INVALID_TRAIT. */
function decode(change: IdentityChange | Buffer): KeyedChange {
  const plain = Buffer.isBuffer(change) ? decodePlainProtobuf(change) : undefined;
  if (plain !== undefined) return plain;
  const message = Buffer.isBuffer(change) ? decodeRequest(IdentityChangeSchema, change) : change;
  checkMessage(IdentityChangeSchema, message);
  return { environmentKey: message.environmentKey, change: decodeChange(message) };
}

async function applyBatch(applier: Applier, request: ApplyChangesRequest, place: Place) {
  const changes = changesOf(request);
  if (changes.length > place.maxBatchChanges) {
    throw new RollcallError('INVALID_REQUEST', `a batch holds at most ${place.maxBatchChanges} changes`, {
      metadata: { field: 'changes', batch: String(place.batch) },
    });
  }
  const decoded = changes.map((change, offset): EnvironmentChange => {
    const index = place.received + offset;
    try {
      return { index, ...decode(change) };
    } catch (error) {
      throw withPlace(error, place, index);
    }
  });
  return applier.apply(decoded).catch((error: unknown) => {
    throw withPlace(error, place, undefined);
  });
}

/** The same error, saying which change of the call it is about and how many of the changes before are applied. */
function withPlace(error: unknown, { batch, received }: Place, index: number | undefined): unknown {
  if (!(error instanceof RollcallError)) return error;
  const metadata = {
    ...(index === undefined ? {} : { index: String(index) }),
    ...error.metadata,
    batch: String(batch),
    applied: String(received),
  };
  return new RollcallError(error.reason, error.message, { metadata, cause: error.cause });
}
