import { migrate } from '../../src/storage/migrate.js';
import type { Figure } from '../report/figures.js';
import { onDatabase } from '../world/databases.js';
import type { World } from '../world/world.js';
import { identityTable } from './identity-table.js';
import { multiplied } from './multiplied.js';
import { type ChunkSample, sampleChunks } from './sample-chunks.js';
import { simulateCount } from './simulate-count.js';
import { simulateLog } from './simulate-log.js';
import { createSimulated } from './simulated-environment.js';

const IDENTITIES = [100_000_000, 870_000_000];
/** Of a smoke. */
const SMOKE_IDENTITIES = [1_000_000, 8_700_000];
const SAMPLE_CHUNKS = 500;
const SMOKE_SAMPLE_CHUNKS = 64;

/** What the chunk cache, the log and the tables need past one machine's worth of identities: bitmaps are generated, not identities. */
export async function simulateScenario(world: World): Promise<Figure[]> {
  const { isSmoke } = world;
  const sizes = isSmoke ? SMOKE_IDENTITIES : IDENTITIES;
  const simulated = await onDatabase(world.url, 'bench_simulated', async (database, url) => {
    await migrate(database);
    const { environment } = await createSimulated(database, 'samples', [], {});
    const samples = await sampleChunks(database, environment, isSmoke ? SMOKE_SAMPLE_CHUNKS : SAMPLE_CHUNKS);
    const figures = chunkFigures(samples);
    for (const identities of sizes) {
      const log = await simulateLog(database, environment, identities);
      figures.push(...log.figures, ...multiplied(samples, identities, log));
      figures.push(...(await simulateCount(database, url, identities)));
    }
    return figures;
  });
  return [...simulated, ...(await identityTable(world, sizes))];
}

function chunkFigures(samples: readonly ChunkSample[]): Figure[] {
  const scenario = 'simulate: a chunk of an atom, measured';
  return samples.flatMap(({ name, bytes, diskBytes, writeMs, loadMs }) => [
    { scenario, what: `${name}: serialised, as in the cache`, value: bytes, unit: 'B' },
    { scenario, what: `${name}: on disk`, value: diskBytes, unit: 'B' },
    { scenario, what: `${name}: writing`, value: writeMs, unit: 'ms' },
    { scenario, what: `${name}: loading, with its checks`, value: loadMs, unit: 'ms' },
  ]);
}
