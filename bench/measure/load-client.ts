import { LOAD, type Load, type Loaded } from './load.js';
import { encodeCall, UnaryConnection } from './unary-connection.js';

/** The process of `withLoadClient`: puts on each load that it is sent. Latencies go from before a call is sent until its status is there. */
process.on('message', (message) => {
  putOn(LOAD.parse(message)).then(
    (loaded) => process.send?.(loaded),
    (error: unknown) => process.send?.({ failure: String(error) }),
  );
});

async function putOn(load: Load): Promise<Loaded> {
  const connection = await UnaryConnection.open(load.address);
  try {
    return await runLoop(connection, load);
  } finally {
    connection.close();
  }
}

async function runLoop(connection: UnaryConnection, load: Load): Promise<Loaded> {
  const calls = load.requests.map((request) => encodeCall(load.path, request));
  const startedMs = new Map<number, number>();
  const latenciesMs: number[] = [];
  const fromMs = performance.now() + load.warmUpMs;
  const untilMs = fromMs + load.measureMs;
  let allCalls = 0;
  const callNext = (): void => {
    const call = calls[allCalls++ % calls.length];
    if (call !== undefined) startedMs.set(connection.send(call), performance.now());
  };
  const answer = await new Promise<Uint8Array>((resolve, reject) => {
    connection.onFailure(reject);
    connection.onAnswer((stream, message) => {
      const nowMs = performance.now();
      if (nowMs >= fromMs && nowMs < untilMs) latenciesMs.push(nowMs - (startedMs.get(stream) ?? NaN));
      startedMs.delete(stream);
      if (nowMs < untilMs) callNext();
      else if (startedMs.size === 0) resolve(Uint8Array.from(message));
    });
    for (let index = 0; index < load.inFlight; index++) callNext();
  });
  return {
    latenciesMs: Float64Array.from(latenciesMs),
    callsPerSecond: (latenciesMs.length / load.measureMs) * 1000,
    allCalls,
    answer,
  };
}
