import { RollcallError } from '../core/errors.js';
import type { InlineIdentity } from '../core/truth/column.js';
import { type Step, TruthPlan } from '../core/truth/truth-plan.js';
import type { OperandLists } from './operand-lists.js';
import type { ReaderCatalog, ServedSegment } from './reader-catalog.js';

/** Whether the identity is in one segment, or why that cannot be said. */
export type CheckResult =
  | { readonly segment: string; readonly served: ServedSegment; readonly isMember: boolean }
  | { readonly segment: string; readonly error: RollcallError };

/** A segment made ready, with both its results; or why it cannot be answered. */
type Ready =
  | { readonly first: Step; readonly member: CheckResult; readonly outsider: CheckResult }
  | { readonly first: undefined; readonly error: RollcallError };

/**
 * The newest definitions of a catalog's segments, each made ready when it is first checked, for identities whose traits the caller brings. What is ready is
 * tested without awaiting.
 */
export class CheckPlan {
  readonly catalog: ReaderCatalog;
  readonly #plan: TruthPlan;
  readonly #ready = new Map<string, Ready>();
  #enabled: readonly string[] | undefined;
  /** Of every enabled segment, once they all are ready. */
  #enabledReady: readonly Ready[] | undefined;

  constructor(catalog: ReaderCatalog) {
    this.catalog = catalog;
    this.#plan = new TruthPlan(catalog.environment);
  }

  /** Roughly what the plan takes, or may come to. */
  get bytes(): number {
    return this.#plan.bytes;
  }

  /** Every enabled segment. */
  get enabledSegments(): readonly string[] {
    this.#enabled ??= this.catalog.enabledSegments();
    return this.#enabled;
  }

  isReady(segments: readonly string[]): boolean {
    if (segments === this.#enabled && this.#enabledReady !== undefined) return true;
    return segments.every((key) => this.#ready.has(key));
  }

  /** Makes segments ready, and reads their stored lists. Those that do not exist are not kept: callers may name any number of them. Throws LIST_NOT_FOUND. */
  async prepare(segments: readonly string[], operandLists: OperandLists): Promise<void> {
    for (const key of segments) {
      if (this.#ready.has(key)) continue;
      const ready = await this.#makeReady(key, operandLists);
      if (ready.first !== undefined || ready.error.reason !== 'SEGMENT_NOT_FOUND') this.#ready.set(key, ready);
    }
  }

  /** The results for segments that are ready, or do not exist. */
  check(segments: readonly string[], identity: InlineIdentity): CheckResult[] {
    this.#plan.moveTo(identity);
    const ready = segments === this.#enabled ? this.#readyNow(segments) : undefined;
    return segments.map((key, place) => this.#resultOf(key, ready?.[place] ?? this.#ready.get(key)));
  }

  #readyNow(enabled: readonly string[]): readonly Ready[] | undefined {
    if (this.#enabledReady !== undefined) return this.#enabledReady;
    const ready = enabled.flatMap((key) => this.#ready.get(key) ?? []);
    if (ready.length === enabled.length) this.#enabledReady = ready;
    return this.#enabledReady;
  }

  #resultOf(key: string, ready: Ready | undefined): CheckResult {
    if (ready === undefined) return { segment: key, error: this.#whyNot(key) };
    if (ready.first === undefined) return { segment: key, error: ready.error };
    try {
      return this.#plan.isTrue(ready.first) ? ready.member : ready.outsider;
    } catch (error) {
      return failedCheck(key, error);
    }
  }

  #whyNot(key: string): RollcallError {
    const segment = newestOf(this.catalog, key);
    return segment instanceof RollcallError ? segment : new RollcallError('INTERNAL', 'a segment is not ready');
  }

  async #makeReady(key: string, operandLists: OperandLists): Promise<Ready> {
    const segment = newestOf(this.catalog, key);
    if (segment instanceof RollcallError) return { first: undefined, error: segment };
    const lists = new Map<string, ReadonlySet<string>>();
    for (const { list } of segment.atoms.values())
      if (list !== '' && !lists.has(list)) lists.set(list, await operandLists.read(list));
    const result = { segment: key, served: segment };
    const first = this.#plan.compile(segment.predicate, lists);
    return { first, member: { ...result, isMember: true }, outsider: { ...result, isMember: false } };
  }
}

/** The result of a segment that cannot be answered. Throws an error that is nobody's business but ours. */
export function failedCheck(segment: string, error: unknown): CheckResult {
  if (error instanceof RollcallError && error.reason !== 'INTERNAL') return { segment, error };
  throw error;
}

function newestOf(catalog: ReaderCatalog, key: string): ServedSegment | RollcallError {
  try {
    return catalog.newest(key);
  } catch (error) {
    if (error instanceof RollcallError) return error;
    throw error;
  }
}
