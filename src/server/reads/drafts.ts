import { setTimeout as sleep } from 'node:timers/promises';
import { checkSegment } from '../../core/compile.js';
import { RollcallError } from '../../core/errors.js';
import { referencesOf } from '../../core/segments.js';
import type { CommittedRevision } from '../../indexing/applier.js';
import { registerAtoms } from '../../indexing/catalog-writer.js';
import { resolveLists } from '../../indexing/segment-writer.js';
import type { EnvironmentIndex } from '../../query/environment-index.js';
import type { Target } from '../../query/select.js';
import type { Database } from '../../storage/database.js';
import type { CallContext } from '../transport/handlers.js';
import { knowSegments } from './known-segments.js';

/** What drafts need of the other rooms. */
export interface DraftsOptions {
  readonly database: Database;
  /** How many drafts of an organisation may wait for their atoms at once in this process. */
  readonly maxBuildsPerOrganisation: number;
  /** Told of the revision that registered atoms, so that they are built. */
  readonly onRegistered: (revision: CommittedRevision) => void;
}

/** Atoms that may be under way in an environment for each draft that may wait: calls that give up leave theirs behind. A single draft may have more. */
const ATOMS_PER_BUILD = 32;
/** How long a draft waits for its atoms where the caller set no deadline. */
const DEFAULT_WAIT_MS = 30_000;
/** Left of the time until the deadline to say how far it has come. */
const ANSWER_RESERVE_SHARE = 0.2;
const MIN_ANSWER_RESERVE_MS = 200;
const LOOK_INTERVAL_MS = 50;

/** Makes drafts answerable: atoms that an environment has not are built first, within the deadline of the call. */
export class Drafts {
  readonly #options: DraftsOptions;
  readonly #waiting = new Map<string, number>();

  constructor(options: DraftsOptions) {
    this.#options = options;
  }

  /**
   * The same target, ready to be served; a stored segment is left as it is. Throws what makes a segment unfit to be written, ATOM_BUILDING with the progress
   * when time runs out, TOO_MANY_BUILDS where its organisation has too many under way.
   */
  async prepare(index: EnvironmentIndex, target: Target, context: CallContext): Promise<Target> {
    if (target.kind === 'segment') return target;
    if (!index.isLoaded) await index.advance();
    await knowSegments(index, [...referencesOf(target.definition)]);
    const { project, organisation } = index.environment;
    const rules = await resolveLists(this.#options.database.sql, project, target.definition.rules);
    const prepared = { ...target, definition: { ...target.definition, rules } };
    if (serveError(index, prepared) === undefined) return prepared;
    checkSegment(prepared.key, prepared.definition, index.catalog);
    await this.#inTurn(organisation, () => this.#build(index, prepared, context));
    return prepared;
  }

  async #build(
    index: EnvironmentIndex,
    target: Extract<Target, { kind: 'draft' }>,
    context: CallContext,
  ): Promise<void> {
    const until = endOfWait(context.deadline);
    const missing = index.catalog.atomsMissingFor(target.key, target.definition);
    this.#checkRoom(index, missing.size);
    const committed = await registerAtoms(this.#options.database, index.environment, missing);
    if (committed !== undefined) this.#options.onRegistered(committed);
    for (;;) {
      await index.advance();
      const error = serveError(index, target);
      if (error === undefined) return;
      if (Date.now() >= until) throw error;
      await sleep(LOOK_INTERVAL_MS, undefined, { signal: context.signal });
    }
  }

  #checkRoom({ catalog, environment: { organisation } }: EnvironmentIndex, missing: number): void {
    const limit = this.#options.maxBuildsPerOrganisation * ATOMS_PER_BUILD;
    const { building } = catalog;
    if (missing > 0 && building > 0 && building + missing > limit)
      throw tooManyBuilds(`the environment has ${building} atoms being built already`, organisation, limit);
  }

  async #inTurn(organisation: string, work: () => Promise<void>): Promise<void> {
    const waiting = this.#waiting.get(organisation) ?? 0;
    const limit = this.#options.maxBuildsPerOrganisation;
    if (waiting >= limit)
      throw tooManyBuilds(`the organisation has ${waiting} drafts being built already`, organisation, limit);
    this.#waiting.set(organisation, waiting + 1);
    try {
      await work();
    } finally {
      const left = (this.#waiting.get(organisation) ?? 1) - 1;
      if (left > 0) this.#waiting.set(organisation, left);
      else this.#waiting.delete(organisation);
    }
  }
}

function tooManyBuilds(message: string, organisation: string, limit: number): RollcallError {
  return new RollcallError('TOO_MANY_BUILDS', message, {
    metadata: { organisation, limit: String(limit), retryAfterMs: '1000' },
  });
}

function endOfWait(deadline: Date | undefined): number {
  const now = Date.now();
  if (deadline === undefined) return now + DEFAULT_WAIT_MS;
  const leftMs = deadline.getTime() - now;
  return now + leftMs - Math.max(MIN_ANSWER_RESERVE_MS, leftMs * ANSWER_RESERVE_SHARE);
}

/** Why a draft cannot be served yet; undefined where it can. Throws what no waiting mends. */
function serveError(
  index: EnvironmentIndex,
  { key, definition }: Extract<Target, { kind: 'draft' }>,
): RollcallError | undefined {
  try {
    index.catalog.withAllAtoms(index.catalog.serveDraft(key, definition));
    return undefined;
  } catch (error) {
    if (error instanceof RollcallError && error.reason === 'ATOM_BUILDING') return error;
    throw error;
  }
}
