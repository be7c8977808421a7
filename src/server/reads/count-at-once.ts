import { create, toBinary } from '@bufbuild/protobuf';
import { type CountRequest, CountResponseSchema } from '../../gen/rollcall/v1/membership_service_pb.js';
import type { EnvironmentIndexes } from '../../query/environment-indexes.js';
import { type Count, countAtOnce } from '../../query/select.js';
import { freshnessOf } from '../messages/selector-messages.js';
import { countMessage } from '../messages/membership-messages.js';
import { encodedMessage, type EncodedMessage } from '../transport/handlers.js';

/** An answer as it goes to callers, with what it was made of. */
interface KnownAnswer {
  readonly counted: Count;
  readonly response: EncodedMessage;
}

/**
 * Answers counts of stored segments that need nothing but what is in memory, without a promise; undefined for all others. The last answer of
 * each segment goes out again as the bytes that it is, until something in it changes.
 */
export function createCountAtOnce(indexes: EnvironmentIndexes): (request: CountRequest) => EncodedMessage | undefined {
  // By the definition that was served, of which its environment's catalog has one object.
  const answers = new WeakMap<object, KnownAnswer>();
  return ({ selector, freshness }) => {
    if (selector?.target.case !== 'segment' || freshnessOf(freshness).level !== 'minimize_latency') return undefined;
    const index = indexes.followed(selector.environment);
    const counted = index === undefined ? undefined : countAtOnce(index, selector.target.value);
    if (counted === undefined) return undefined;
    const known = answers.get(counted.served);
    if (known !== undefined && isSame(known.counted, counted)) return known.response;
    const response = encodedMessage(toBinary(CountResponseSchema, create(CountResponseSchema, countMessage(counted))));
    answers.set(counted.served, { counted, response });
    return response;
  };
}

/** Of the same definition. */
function isSame(a: Count, b: Count): boolean {
  return a.count === b.count && a.revision === b.revision && a.asOf.getTime() === b.asOf.getTime();
}
