import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CompiledService } from './compiled-service.js';
import type { Mutant } from './mutants.js';
import { runChaos } from './run.js';
import type { ChaosBroker } from './world.js';

/** Whether a mutant is caught in the act depends on the moment, so it gets more than one chance. */
export const MUTANT_SEEDS = [7, 8, 9] as const;
const RATE = 300;

/** What the harness finds of a mutant by the one fault that is to show it, in an empty database; '' where it finds nothing. */
export async function problemsOf(
  { mutations, fault }: Mutant,
  {
    service,
    broker,
    databaseUrl,
    seed,
  }: {
    readonly service: CompiledService;
    readonly broker: ChaosBroker;
    readonly databaseUrl: string;
    readonly seed: number;
  },
): Promise<string> {
  const mutant = await service.mutate(mutations);
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-chaos-'));
  try {
    const { problems } = await runChaos({
      seed,
      main: mutant.main,
      broker,
      database: { url: databaseUrl, killServer: undefined },
      rate: RATE,
      folder,
      durationMs: Infinity,
      steps: 1,
      faults: [fault],
      say: () => undefined,
    });
    return problems.join('\n');
  } finally {
    await Promise.all([mutant.remove(), rm(folder, { recursive: true })]);
  }
}
