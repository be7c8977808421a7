import { setTimeout as sleep } from 'node:timers/promises';
import type { EnvironmentIndex } from '../../query/environment-index.js';
import type { Freshness } from '../../query/select.js';
import type { CallContext } from '../transport/handlers.js';

/** How long a revision is waited for where the caller set no deadline. */
const DEFAULT_WAIT_MS = 5_000;
/** Left of the deadline for the answer. */
const ANSWER_RESERVE_MS = 200;
const LOOK_INTERVAL_MS = 20;

/** Waits for the revision that must at least be there, within the deadline. Where it does not come, it is the read that says so. */
export async function awaitRevision(
  index: EnvironmentIndex,
  freshness: Freshness,
  context: CallContext,
): Promise<void> {
  if (freshness.level !== 'at_least' || index.revision >= freshness.revision) return;
  const { deadline, signal } = context;
  const until = deadline === undefined ? Date.now() + DEFAULT_WAIT_MS : deadline.getTime() - ANSWER_RESERVE_MS;
  while (index.revision < freshness.revision) {
    await index.advance();
    if (index.revision >= freshness.revision || Date.now() >= until) return;
    await sleep(LOOK_INTERVAL_MS, undefined, { signal });
  }
}
