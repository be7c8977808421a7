import type { RollcallError } from '../../core/errors.js';
import type { CommittedRevision } from '../../indexing/applier.js';
import { toRollcallError } from '../../storage/database-errors.js';
import type { AdoptionFilter } from './adoption-plan.js';

/** What was done with something of Flagsmith's, or in a dry run would be. */
export type AdoptionOutcome = 'created' | 'updated' | 'unchanged';

/** How adoption goes about it, and whom it tells. */
export interface AdoptionOptions extends AdoptionFilter {
  readonly isDryRun: boolean;
  readonly actor: string;
  readonly signal: AbortSignal;
  readonly onCommitted: (revision: CommittedRevision) => void;
  /** Looks at the gate of an organisation that was never looked at. */
  readonly settleGate: (organisation: string) => Promise<void>;
}

/** What is wrong with one thing is told of it; what is wrong with the database ends it all. */
export function failureOf(error: unknown): RollcallError {
  const failure = toRollcallError(error);
  if (failure.isRetryable || failure.reason === 'INTERNAL') throw error;
  return failure;
}
