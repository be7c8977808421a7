import { RollcallError } from '../../core/errors.js';
import type { Freshness as FreshnessMessage } from '../../gen/rollcall/v1/freshness_pb.js';
import type { Selector } from '../../gen/rollcall/v1/selector_pb.js';
import type { EnvironmentIndex } from '../../query/environment-index.js';
import type { EnvironmentIndexes } from '../../query/environment-indexes.js';
import type { Freshness, Target } from '../../query/select.js';
import type { Database } from '../../storage/database.js';
import { awaitRevision } from './await-revision.js';
import { withBuildProgress } from './build-progress.js';
import type { Drafts } from './drafts.js';
import type { CallContext } from '../transport/handlers.js';
import { knowSegments } from './known-segments.js';
import { confirmState } from './confirm-state.js';
import { freshnessOf, targetOf } from '../messages/selector-messages.js';

/** What a read is about: a target that can be served. */
export interface ReadTarget {
  readonly index: EnvironmentIndex;
  readonly target: Target;
  readonly selector: Selector;
  readonly freshness: Freshness;
}

/** What finding a target needs. */
export interface ReadTargetNeeds {
  readonly database: Database;
  readonly indexes: EnvironmentIndexes;
  readonly drafts: Drafts;
}

/** Answers a read about its selector's target, once the revision asked for is there and a draft's atoms are. ATOM_BUILDING says how far they have come. */
export async function withTarget<Answer>(
  { database, indexes, drafts }: ReadTargetNeeds,
  request: { readonly selector?: Selector | undefined; readonly freshness?: FreshnessMessage | undefined },
  context: CallContext,
  answer: (read: ReadTarget) => Promise<Answer>,
): Promise<Answer> {
  const { selector } = request;
  if (selector === undefined)
    throw new RollcallError('INVALID_REQUEST', 'the selector is missing', { metadata: { field: 'selector' } });
  const index = await indexes.get(selector.environment);
  const freshness = freshnessOf(request.freshness);
  await awaitRevision(index, freshness, context);
  try {
    await confirmState(index, freshness);
    const target = targetOf(selector);
    if (target.kind === 'segment') await knowSegments(index, [target.key]);
    return await answer({ index, selector, freshness, target: await drafts.prepare(index, target, context) });
  } catch (error) {
    throw await withBuildProgress(database, index.environment, error);
  }
}
