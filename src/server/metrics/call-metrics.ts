import type { DescMethod } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { RollcallError } from '../../core/errors.js';
import { toWireError } from '../transport/errors.js';
import type { BoundMethod, CallContext, Implementation, Soon } from '../transport/handlers.js';
import type { StreamSlots } from '../transport/stream-slots.js';

/** What is measured of calls, over either transport. */
export interface CallMetrics {
  /** The same methods, each call counted when it ends. */
  readonly measure: (implementation: Implementation) => Implementation;
  /** The same slots, with how many are taken and how often none was left. */
  readonly measureSlots: (slots: StreamSlots) => StreamSlots;
}

/** Notes the end of one call; `error` undefined where it went well. */
type Note = (startedAt: number, context: CallContext, error: unknown) => void;

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export function createCallMetrics(registry: Registry): CallMetrics {
  const registers = [registry];
  const calls = new Counter({
    name: 'rollcall_rpc_calls_total',
    help: 'Calls that ended, by method and status code',
    labelNames: ['method', 'code'] as const,
    registers,
  });
  const seconds = new Histogram({
    name: 'rollcall_rpc_seconds',
    help: 'How long calls took, streams to their end',
    labelNames: ['method'] as const,
    buckets: SECONDS,
    registers,
  });
  return {
    measure({ service, methods }) {
      return { service, methods: methods.map((method) => measured(method, noteOf(method.desc, calls, seconds))) };
    },
    measureSlots: (slots) => measureSlots(slots, registers),
  };
}

function noteOf(desc: DescMethod, calls: Counter<'method' | 'code'>, seconds: Histogram<'method'>): Note {
  const method = `${desc.parent.typeName}/${desc.name}`;
  const duration = seconds.labels(method);
  const ok = calls.labels(method, 'OK');
  return (startedAt, context, error) => {
    duration.observe((performance.now() - startedAt) / 1000);
    if (error === undefined) ok.inc();
    else calls.inc({ method, code: codeOf(error, context) });
  };
}

/** As the transports tell the caller: the reason for which the call was ended goes before what the handler made of it. */
function codeOf(error: unknown, { signal, requestId }: CallContext): string {
  const { code } = toWireError(signal.aborted ? signal.reason : error, requestId);
  return status[code] ?? 'UNKNOWN';
}

function measured(method: BoundMethod, note: Note): BoundMethod {
  switch (method.kind) {
    case 'unary': {
      const { kind, desc, handle } = method;
      return { kind, desc, handle: (request, context) => answer(() => handle(request, context), context, note) };
    }
    case 'client_streaming': {
      const { kind, desc, handle, decode } = method;
      return {
        kind,
        desc,
        ...(decode === undefined ? {} : { decode }),
        handle: async (requests, context) => answer(() => handle(requests, context), context, note),
      };
    }
    case 'server_streaming': {
      const { kind, desc, handle } = method;
      return { kind, desc, handle: (request, context) => stream(() => handle(request, context), context, note) };
    }
    case 'bidi_streaming': {
      const { kind, desc, handle } = method;
      return { kind, desc, handle: (requests, context) => stream(() => handle(requests, context), context, note) };
    }
  }
}

function answer<Answer>(handle: () => Soon<Answer>, context: CallContext, note: Note): Soon<Answer> {
  const startedAt = performance.now();
  let response: Soon<Answer>;
  try {
    response = handle();
  } catch (error) {
    note(startedAt, context, error);
    throw error;
  }
  if (response instanceof Promise) return whenAnswered(response, startedAt, context, note);
  note(startedAt, context, undefined);
  return response;
}

async function whenAnswered<Answer>(
  answered: Promise<Answer>,
  startedAt: number,
  context: CallContext,
  note: Note,
): Promise<Answer> {
  try {
    const response = await answered;
    note(startedAt, context, undefined);
    return response;
  } catch (error) {
    note(startedAt, context, error);
    throw error;
  }
}

async function* stream<Response>(
  handle: () => AsyncIterable<Response>,
  context: CallContext,
  note: Note,
): AsyncGenerator<Response, void> {
  const startedAt = performance.now();
  let outcome: unknown = new RollcallError('CANCELLED', 'the caller left');
  try {
    yield* handle();
    outcome = undefined;
  } catch (error) {
    outcome = error;
    throw error;
  } finally {
    note(startedAt, context, outcome);
  }
}

function measureSlots(slots: StreamSlots, registers: Registry[]): StreamSlots {
  const open = new Gauge({ name: 'rollcall_rpc_open_streams', help: 'Streams that are open', registers });
  const refused = new Counter({
    name: 'rollcall_rpc_refused_streams_total',
    help: 'Streams refused because their caller had too many open',
    registers,
  });
  return {
    take(peer) {
      const release = takeOr(slots, peer, () => {
        refused.inc();
      });
      open.inc();
      let isHeld = true;
      return () => {
        release();
        if (isHeld) open.dec();
        isHeld = false;
      };
    },
  };
}

function takeOr(slots: StreamSlots, peer: string, onRefused: () => void): () => void {
  try {
    return slots.take(peer);
  } catch (error) {
    onRefused();
    throw error;
  }
}
