import { z } from 'zod';
import { usageOf } from './resources.js';
import { withHelper } from './helper-process.js';
import { median, percentile } from './statistics.js';

/** Calls of one unary method over one connection, a new one as soon as one is answered. */
export interface Load {
  /** host:port */
  readonly address: string;
  /** `/package.Service/Method` */
  readonly path: string;
  /** Encoded; asked in turn, again from the first after the last. */
  readonly requests: readonly Uint8Array[];
  readonly inFlight: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** What came of a load. */
export interface Loaded {
  /** Of each measured call. */
  readonly latenciesMs: Float64Array;
  readonly callsPerSecond: number;
  /** The calls before measuring included. */
  readonly allCalls: number;
  /** The answer to the last call, encoded. */
  readonly answer: Uint8Array;
}

export const LOAD = z.object({
  address: z.string(),
  path: z.string(),
  requests: z.array(z.instanceof(Uint8Array)).min(1),
  inFlight: z.number(),
  warmUpMs: z.number(),
  measureMs: z.number(),
});

const LOADED = z.union([
  z.object({
    latenciesMs: z.instanceof(Float64Array),
    callsPerSecond: z.number(),
    allCalls: z.number(),
    answer: z.instanceof(Uint8Array),
  }),
  z.object({ failure: z.string() }),
]);

/** Puts a load on a server. Rejects where a call fails. */
export type RunLoad = (load: Load) => Promise<Loaded>;

/** Runs `work` with a client in a process of its own, so that its work is neither the server's nor the benchmark's. */
export async function withLoadClient<Result>(work: (run: RunLoad) => Promise<Result>): Promise<Result> {
  return withHelper(new URL('./load-client.js', import.meta.url), (client) =>
    work(async (load) => {
      const loaded = LOADED.parse(await client.ask(load));
      if ('failure' in loaded) throw new Error(`${load.path} failed: ${loaded.failure}`);
      return loaded;
    }),
  );
}

/** What several runs of the same load say together. */
export class LoadSeries {
  readonly #callsPerSecond: number[] = [];
  readonly #latenciesMs: Float64Array[] = [];
  #serverCpuSeconds = 0;
  #calls = 0;

  /** Puts the load on once more; `serverPid` is of the process whose CPU time is taken. */
  async run(run: RunLoad, load: Load, serverPid: number): Promise<Loaded> {
    const before = await usageOf(serverPid);
    const loaded = await run(load);
    const after = await usageOf(serverPid);
    this.#serverCpuSeconds += (after?.cpuSeconds ?? NaN) - (before?.cpuSeconds ?? NaN);
    this.#calls += loaded.allCalls;
    this.#callsPerSecond.push(loaded.callsPerSecond);
    this.#latenciesMs.push(loaded.latenciesMs);
    return loaded;
  }

  get callsPerSecond(): number {
    return median(this.#callsPerSecond);
  }

  /** The median of the runs' own medians: a run that was disturbed as a whole does not count. */
  get p50Ms(): number {
    return median(this.#latenciesMs.map((ms) => percentile([...ms], 0.5)));
  }

  /** Of all calls of all runs. */
  get p99Ms(): number {
    return percentile(
      this.#latenciesMs.flatMap((ms) => [...ms]),
      0.99,
    );
  }

  /** CPU that the server used for a call, in microseconds; NaN where the system does not tell. */
  get serverCpuMicros(): number {
    return (this.#serverCpuSeconds / this.#calls) * 1_000_000;
  }
}
