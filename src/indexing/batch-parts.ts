import type { Environment } from '../storage/environments.js';
import { inLockOrder } from '../storage/identities.js';
import type { NumberedChange } from './working-set.js';

/** Identities of one part: enough that a statement is worth its way, few enough that a batch has several. */
const MIN_PART_IDENTITIES = 50;
const MAX_PART_IDENTITIES = 250;
const PARTS_OF_A_SMALL_BATCH = 4;

/**
 * The changes of a batch in parts that have no identity in common, each identity's in the batch's order, so that Postgres can work on one part while this
 * process works on another. Parts follow each other in the order in which writers lock rows. Where the source gives ids a change can
 * move an identifier from one identity to another, so such a batch is one part.
 */
export function partsOf(environment: Environment, changes: readonly NumberedChange[]): (readonly NumberedChange[])[] {
  if (environment.ordinalMode === 'given' || changes.length <= MIN_PART_IDENTITIES) return [changes];
  const ordered = inLockOrder(changes.map((change) => ({ id: 0, identifier: change.change.identifier, change })));
  const starts = ordered.flatMap(({ identifier }, at) => (ordered[at - 1]?.identifier === identifier ? [] : [at]));
  const share = Math.ceil(starts.length / PARTS_OF_A_SMALL_BATCH);
  const size = Math.min(MAX_PART_IDENTITIES, Math.max(MIN_PART_IDENTITIES, share));
  const parts: NumberedChange[][] = [];
  for (let from = 0; from < starts.length; from += size)
    parts.push(ordered.slice(starts[from], starts[from + size]).map(({ change }) => change));
  return parts;
}
