import type { Database } from '../../storage/database.js';
import type { Options } from '../options.js';
import { openDenylist } from './denylist.js';
import { createFlagSource } from './flag-source.js';
import { Gates, type GatesListeners } from './gates.js';
import { openFlag } from './organisation-flag.js';

/** The gates as the options describe them; they are not looked at yet. Throws INVALID_REQUEST where the denylist cannot be read. */
export async function openGates(database: Database, options: Options, how: GatesListeners): Promise<Gates> {
  const denylist = await openDenylist(options, how.onError);
  let gates: Gates | undefined;
  const flag = await openFlag(await createFlagSource(options), () => gates?.nudge());
  const { whenOff, gateIntervalMs: intervalMs } = options;
  return (gates = new Gates(database, { ...how, flag, denylist, whenOff, intervalMs }));
}
