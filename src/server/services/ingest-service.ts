import { RollcallError } from '../../core/errors.js';
import { IdentityChangeSchema } from '../../gen/rollcall/v1/identity_change_pb.js';
import type { ApplyChangesRequest, IngestService } from '../../gen/rollcall/v1/ingest_service_pb.js';
import type { Applier, EnvironmentChange } from '../../indexing/applier.js';
import { decodeChange } from '../../indexing/decode.js';
import type { Handlers } from '../transport/handlers.js';
import { checkMessage } from '../transport/validation.js';

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
        received += request.changes.length;
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

async function applyBatch(applier: Applier, { changes }: ApplyChangesRequest, place: Place) {
  if (changes.length > place.maxBatchChanges) {
    throw new RollcallError('INVALID_REQUEST', `a batch holds at most ${place.maxBatchChanges} changes`, {
      metadata: { field: 'changes', batch: String(place.batch) },
    });
  }
  const decoded = changes.map((change, offset): EnvironmentChange => {
    const index = place.received + offset;
    try {
      checkMessage(IdentityChangeSchema, change);
      return { index, environmentKey: change.environmentKey, change: decodeChange(change) };
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
