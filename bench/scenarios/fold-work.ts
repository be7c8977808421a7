import { z } from 'zod';
import { fold } from '../../src/indexing/fold.js';
import { FOLD_MAX_BYTES } from '../world/bitmaps.js';
import { connectTo } from '../world/databases.js';

const ARGUMENT = z.object({ url: z.string(), environmentId: z.number() });

/** Folds the log of an environment to its end. */
export async function work(argument: unknown): Promise<void> {
  const { url, environmentId } = ARGUMENT.parse(argument);
  const database = connectTo(url);
  while (!(await fold(database, environmentId, FOLD_MAX_BYTES)));
  await database.close(1_000);
}
