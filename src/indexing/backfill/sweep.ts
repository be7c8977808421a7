import { OrdinalSet } from '../../core/bitmap.js';
import { noteSwept } from '../../storage/backfills.js';
import { readIdentities } from '../../storage/identities.js';
import { liveOrdinals, nextLiveOrdinal } from '../../storage/scans.js';
import { readScanned } from '../../storage/touches.js';
import type { EnvironmentChange } from '../applier.js';
import { applyBeside, type BackfillRun } from './backfill-run.js';
import { BackfillEnded } from './end-backfill.js';

/** Ordinals that are looked at in one statement. */
const RANGE = 65_536;
/** Identities that one transaction removes. */
const BATCH = 2_000;

/**
 * Removes what the source no longer has: identities that no page has seen and no live change has touched since the backfill's base. Goes through again where it was interrupted. Throws BackfillEnded.
 */
export async function sweep(run: BackfillRun, checkContinues: () => void): Promise<void> {
  const { database, environment, backfill } = run;
  const scanned = new OrdinalSet();
  for await (const ordinals of readScanned(database.sql, environment.id, backfill.id)) scanned.addAll(ordinals);
  let from = await nextLiveOrdinal(database.sql, environment.id, 0);
  while (from !== undefined) {
    checkContinues();
    const live = await liveOrdinals(database.sql, environment.id, from, from + RANGE);
    const gone = live.filter((id) => !scanned.has(id));
    for (let at = 0; at < gone.length; at += BATCH) {
      checkContinues();
      await remove(run, gone.slice(at, at + BATCH));
    }
    from = await nextLiveOrdinal(database.sql, environment.id, from + RANGE);
  }
  scanned.dispose();
}

async function remove(run: BackfillRun, ids: readonly number[]): Promise<void> {
  const { database, environment, backfill, owner, leaseMs } = run;
  const isGiven = environment.ordinalMode === 'given';
  const stored = await readIdentities(database.sql, environment.id, ids, false);
  const changes = stored.map(({ id, identifier }, index): EnvironmentChange => {
    const change = { kind: 'delete', identifier, traits: new Map(), ...(isGiven ? { identityId: id } : {}) } as const;
    return { environmentKey: environment.key, index, change };
  });
  await applyBeside(run, changes, async (tx, { outcome }) => {
    const swept = outcome.prepared.reduce((sum, { deleted }) => sum + deleted.length, 0);
    if (!(await noteSwept(tx, backfill.id, owner, leaseMs, swept))) throw new BackfillEnded();
  });
}
