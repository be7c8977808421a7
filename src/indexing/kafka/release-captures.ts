import { askDatabase } from '../../storage/database.js';
import { isAnyCaptureWaiting } from '../../storage/captures.js';
import { hasReleasableCaptures } from '../capture/resolve-captures.js';
import { applySlice, PartitionLost } from './apply-slice.js';
import { decodeSlice } from './decode-slice.js';
import type { PartitionProgress } from './partition-progress.js';
import type { BatchContext } from './taking.js';

/**
 * Applies captured rows that had waited for another partition's, such as identities for their environment, and can go now. Each partition's are its
 * owner's to release: from those of `partitions` that run here. What fails is tried again at the next look.
 */
export async function releaseCaptures(
  context: BatchContext,
  partitions: readonly PartitionProgress[],
  signal: AbortSignal,
): Promise<void> {
  if (!(await askDatabase(context.database, isAnyCaptureWaiting))) return;
  const isOurs = ({ isAssigned, isPositioned, state }: PartitionProgress): boolean =>
    isAssigned && isPositioned && state === 'running' && !signal.aborted;
  for (const progress of partitions) {
    if (isOurs(progress)) await progress.inTurn(() => release(context, progress, () => isOurs(progress)));
  }
}

async function release(context: BatchContext, progress: PartitionProgress, isOurs: () => boolean): Promise<void> {
  const { place } = progress;
  try {
    while (isOurs() && (await askDatabase(context.database, (sql) => hasReleasableCaptures(sql, place)))) {
      const empty = { place, next: progress.nextOffset, messages: [] };
      const letters = await applySlice(context, empty, decodeSlice([]), progress.nextOffset);
      if (letters.length > 0) context.onDeadLetters(letters);
    }
  } catch (error) {
    const level = error instanceof PartitionLost ? 'debug' : 'warn';
    context.options.log(level, { ...place, err: error }, 'captured rows that waited cannot be applied yet');
  }
}
