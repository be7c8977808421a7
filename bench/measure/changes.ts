import { z } from 'zod';
import { withHelper } from './helper-process.js';

/** A steady stream of changes of identities that are there, each drawn uniformly, as one call of IngestService.ApplyChanges. */
export interface Changes {
  /** host:port */
  readonly address: string;
  readonly environment: string;
  readonly identifiers: readonly string[];
  readonly changesPerSecond: number;
}

/** What was applied in the end. */
export interface Applied {
  readonly changes: number;
  /** Until the last was applied. */
  readonly seconds: number;
  /** Which holds them all. */
  readonly revision: number;
}

export const CHANGES = z.object({
  address: z.string(),
  environment: z.string(),
  identifiers: z.array(z.string()).min(1),
  changesPerSecond: z.number(),
});

const STARTED = z.object({ isStarted: z.literal(true) });
const APPLIED = z.union([
  z.object({ changes: z.number(), seconds: z.number(), revision: z.number() }),
  z.object({ failure: z.string() }),
]);

/** Runs `work` while changes are applied by a client in a process of its own. Rejects where they are refused. */
export async function whileChanging(changes: Changes, work: () => Promise<void>): Promise<Applied> {
  return withHelper(new URL('./change-client.js', import.meta.url), async (client) => {
    STARTED.parse(await client.ask(changes));
    await work();
    const applied = APPLIED.parse(await client.ask({}));
    if ('failure' in applied) throw new Error(`the changes failed: ${applied.failure}`);
    return applied;
  });
}
