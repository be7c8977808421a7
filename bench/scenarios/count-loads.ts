import { LoadSeries, type RunLoad } from '../measure/load.js';
import type { Figure } from '../report/figures.js';
import type { World } from '../world/world.js';
import type { Target } from './count-calls.js';

const IN_FLIGHT = [1, 16, 64] as const;
type InFlight = (typeof IN_FLIGHT)[number];

/** Until a server's hot code is compiled. */
const HEAT_MS = 1_000;
const HEAT_IN_FLIGHT = 16;

/** How long a load is put on at a time. */
export interface Times {
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** In a smoke not long. */
export function timesIn({ isSmoke }: World): Times {
  return isSmoke ? { warmUpMs: 20, measureMs: 150 } : { warmUpMs: 50, measureMs: 250 };
}

/** Calls a target until its server has compiled what it runs; gives the last answer. */
export async function heat(
  run: RunLoad,
  { address, path, requests }: Target,
  { measureMs }: Times,
): Promise<Uint8Array> {
  const warmUpMs = Math.min(HEAT_MS, measureMs * 4);
  return (await run({ address, path, requests, inFlight: HEAT_IN_FLIGHT, warmUpMs, measureMs })).answer;
}

/** The loads of some targets by calls in flight. */
export class Loads<Name extends string> {
  readonly #series: ReadonlyMap<string, LoadSeries>;

  private constructor(series: ReadonlyMap<string, LoadSeries>) {
    this.#series = series;
  }

  /** Loads each target in turn, round by round; `check` is given each target's answers. */
  static async measure<Name extends string>(
    run: RunLoad,
    targets: readonly (readonly [Name, Target])[],
    { rounds, times, check }: { rounds: number; times: Times; check: (name: Name, answer: Uint8Array) => void },
  ): Promise<Loads<Name>> {
    const series = new Map<string, LoadSeries>();
    for (const inFlight of IN_FLIGHT) for (const [name] of targets) series.set(keyOf(name, inFlight), new LoadSeries());
    for (let round = 0; round < rounds; round++)
      for (const inFlight of IN_FLIGHT)
        for (const [name, { address, path, requests, pid }] of targets) {
          const load = { address, path, requests, inFlight, ...times };
          check(name, (await series.get(keyOf(name, inFlight))?.run(run, load, pid))?.answer ?? new Uint8Array());
        }
    return new Loads(series);
  }

  of(name: Name, inFlight: InFlight): LoadSeries {
    const series = this.#series.get(keyOf(name, inFlight));
    if (series === undefined) throw new Error(`${name} was not measured with ${inFlight} in flight`);
    return series;
  }

  /** Latency, requests a second and the server's CPU of each target. */
  figures(scenario: string, names: readonly Name[]): Figure[] {
    return names.flatMap((name) => {
      const latencies = IN_FLIGHT.map((inFlight): Figure => {
        const { p50Ms, p99Ms } = this.of(name, inFlight);
        return { scenario, what: `${name}, ${inFlight} in flight`, value: p50Ms, unit: 'ms', p99: p99Ms };
      });
      const rates = IN_FLIGHT.map((inFlight): Figure => {
        const { callsPerSecond } = this.of(name, inFlight);
        return {
          scenario,
          what: `${name}, requests with ${inFlight} in flight`,
          value: callsPerSecond,
          unit: 'requests/s',
        };
      });
      const cpu = this.of(name, 64).serverCpuMicros;
      const unknown = Number.isNaN(cpu);
      const what = `${name}, CPU of the server for a call, 64 in flight`;
      return [...latencies, ...rates, ...(unknown ? [] : [{ scenario, what, value: cpu, unit: 'µs' }])];
    });
  }
}

function keyOf(name: string, inFlight: InFlight): string {
  return `${inFlight} ${name}`;
}
