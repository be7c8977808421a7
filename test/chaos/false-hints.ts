import { apiKeyOf, OFFSET_COMMIT } from './kafka-frames.js';
import type { Random } from './random.js';

const FIRST_VERSION = 2;
const LAST_VERSION = 5;
const VERSION_WITHOUT_RETENTION = 5;

/**
 * An OffsetCommit request in which some offsets are not those that the service reached: behind, ahead, beyond the end. Kafka's committed offsets are a hint for lag tools: nothing may
 * follow from them. Any other request as it is.
 */
export function withFalseHints(request: Buffer, random: Random): Buffer {
  if (apiKeyOf(request) !== OFFSET_COMMIT) return request;
  const version = request.readInt16BE(6);
  if (version < FIRST_VERSION || version > LAST_VERSION)
    throw new Error(`OffsetCommit in version ${version} is not known here`);
  const changed = Buffer.from(request);
  let at = 12;
  const skipText = (): void => {
    at += 2 + Math.max(0, changed.readInt16BE(at));
  };
  const readCount = (): number => {
    at += 4;
    return changed.readInt32BE(at - 4);
  };
  skipText(); // client id
  skipText(); // group
  at += 4; // generation
  skipText(); // member
  if (version < VERSION_WITHOUT_RETENTION) at += 8;
  for (let topics = readCount(); topics > 0; topics--) {
    skipText();
    for (let partitions = readCount(); partitions > 0; partitions--) {
      at += 4;
      changed.writeBigInt64BE(falsify(changed.readBigInt64BE(at), random), at);
      at += 8;
      skipText(); // metadata
    }
  }
  return changed;
}

function falsify(offset: bigint, random: Random): bigint {
  const far = BigInt(random.int(1, 200));
  const behind = offset > far ? offset - far : 0n;
  return random.pick([offset, offset, offset, 0n, behind, offset + far, offset + 1_000_000n]);
}
