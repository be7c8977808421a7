import type { ErrorReason as Reason } from '../../core/errors.js';
import { ErrorReason } from '../../gen/rollcall/v1/error_reason_pb.js';

/** A stored reason as it goes to callers; a later release may have stored one that this one does not know. */
export function reasonMessage(reason: string): ErrorReason {
  const known = Object.entries(ErrorReason).find(([name]) => name === reason)?.[1];
  return typeof known === 'number' ? known : ErrorReason.UNSPECIFIED;
}

/** Whether this is the name of a reason in the contract. */
export function isReason(name: string): name is Reason {
  return name !== 'UNSPECIFIED' && name in ErrorReason;
}
