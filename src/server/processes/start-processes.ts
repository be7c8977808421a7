import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import { closeAll, type Closing } from '../closing.js';
import type { Logger } from '../logger.js';
import type { MetricOfProcess } from '../metrics/process-page.js';
import { openDatabase } from '../open-database.js';
import type { Options } from '../options.js';
import { type Addresses, Place } from './place.js';

/** Processes that serve on the same ports. */
export interface RunningProcesses extends Addresses {
  /** Has each drain its open calls within the grace, then stops them; an embedded database is stopped cleanly. */
  stop(): Promise<void>;
}

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));
/** What a process has beyond the grace of its calls to end in order. */
const END_TIMEOUT_MS = 10_000;

/**
 * Starts `options.processes` processes that share the ports: this one accepts the connections and gives them to each in turn, and puts another process
 * in the place of one that ends. An embedded database is this one's.
 */
export async function startProcesses(options: Options, logger: Logger): Promise<RunningProcesses> {
  const closing: Closing = [];
  const stop = (): Promise<void> => closeAll(closing, logger);
  try {
    const databaseUrl = options.segmentMembershipEnabled
      ? await openDatabase(options, logger, closing)
      : options.databaseUrl;
    cluster.setupPrimary({ exec: WORKER, args: [], serialization: 'advanced' });
    const places = createPlaces({ ...options, databaseUrl }, logger);
    closing.push(async () => {
      await Promise.all(places.map((place) => place.stop(options.shutdownGraceMs + END_TIMEOUT_MS)));
    });
    const [first, ...others] = places;
    // The first one migrates the database, and says what is wrong with the options or the ports once.
    const addresses = await first.start();
    await Promise.all(others.map((place) => place.start()));
    return { grpcAddress: addresses.grpcAddress, httpAddress: addresses.httpAddress, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function createPlaces(options: Options, logger: Logger): [Place, ...Place[]] {
  const readAllMetrics = async (): Promise<readonly MetricOfProcess[]> =>
    (await Promise.all(places.map((place) => place.readMetrics()))).flat();
  const placeOf = (index: number): Place => new Place({ name: String(index + 1), options, logger, readAllMetrics });
  const places: [Place, ...Place[]] = [
    placeOf(0),
    ...Array.from({ length: options.processes - 1 }, (_, index) => placeOf(index + 1)),
  ];
  return places;
}
