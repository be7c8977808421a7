import type { ErrorReason } from './errors.js';

/** An identity as a source has it: its whole state. */
export interface SourceIdentity {
  readonly environmentKey: string;
  readonly identifier: string;
  /** The ordinal, from sources whose ordinals are given. */
  readonly id?: number;
  /** What `identity.key` is where the environment's mode is `id`, from sources that know another id than the ordinal. */
  readonly keyOverride?: string;
  /** Each trait's JSON text, in the form of `trait-text.ts`; valid by `check-trait.ts`, null for none of them. */
  readonly traits: ReadonlyMap<string, string>;
}

/** A row of the source that cannot be taken. What is stored of its identity, if anything, stays. */
export interface SkippedRow {
  /** The place in the source, for people: `line 12`, `environments_identity 77`. */
  readonly where: string;
  readonly environmentKey: string;
  /** Empty where it is not known. */
  readonly identifier: string;
  readonly reason: ErrorReason;
  readonly explanation: string;
}

/** Some rows of a source, in its order. */
export interface SourcePage {
  readonly identities: readonly SourceIdentity[];
  readonly skipped: readonly SkippedRow[];
  /** Opaque JSON text: the next page begins after it. */
  readonly cursor: string;
  /** How much of `SourceSize.total` is read up to here; absent where the source cannot tell. */
  readonly position?: number;
}

/** How much there is to read, estimated. */
export interface SourceSize {
  readonly total: number;
  readonly unit: 'identities' | 'bytes';
  /** What is to be read shares this with what is not, and may be much less. */
  readonly isAtMost?: boolean;
}

/**
 * Where identities come from. It is read in an order that a cursor resumes: each identity that is there throughout comes at least once, those that change meanwhile
 * as they are at some moment after the reading began.
 */
export interface IdentitySource {
  /** For people and logs; without secrets. */
  readonly name: string;
  readonly ordinalMode: 'given' | 'allotted';
  /** Undefined where nobody knows. Throws as `pages`. */
  estimate(signal: AbortSignal): Promise<SourceSize | undefined>;
  /**
   * The pages after a cursor, or all. Reads one page ahead at most, and goes over faults that pass by themselves. Throws SOURCE_UNAVAILABLE where the source cannot be reached or ends
   * half-way, INVALID_DOCUMENT where it is not what it should be, and the signal's reason when that fires.
   */
  pages(after: string | undefined, signal: AbortSignal): AsyncGenerator<SourcePage>;
  close(): Promise<void>;
}

/** Rows of a page and bytes of its traits, so that memory is bounded and transactions are short. */
export const MAX_PAGE_IDENTITIES = 5_000;
export const MAX_PAGE_BYTES = 4 * 1024 * 1024;
