import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { RollcallError } from '../../core/errors.js';
import { type BoundMethod, type Implementation, isOfKind } from '../transport/handlers.js';

/** A service of which every method answers INDEX_OFF, whatever it is asked. */
export function switchedOff(service: DescService): Implementation {
  return { service, methods: service.methods.map(refuseAll) };
}

function refuseAll(desc: DescMethod): BoundMethod {
  const refuse = (): Promise<never> => Promise.reject(serviceOff());
  const refuseStream = (): AsyncIterable<never> => ({ [Symbol.asyncIterator]: () => ({ next: refuse }) });
  if (isOfKind(desc, 'unary')) return { kind: 'unary', desc, handle: refuse };
  if (isOfKind(desc, 'client_streaming')) return { kind: 'client_streaming', desc, handle: refuse };
  if (isOfKind(desc, 'server_streaming')) return { kind: 'server_streaming', desc, handle: refuseStream };
  if (isOfKind(desc, 'bidi_streaming')) return { kind: 'bidi_streaming', desc, handle: refuseStream };
  throw new TypeError(`unknown kind of method: ${desc.name}`);
}

function serviceOff(): RollcallError {
  return new RollcallError(
    'INDEX_OFF',
    'segment membership is switched off: SEGMENT_MEMBERSHIP_ENABLED=true switches it on',
    {
      metadata: { gate: 'service' },
    },
  );
}
