import { CHUNK_SIZE, chunkOf, PART_SIZE } from '../core/bitmap.js';
import type { Sql } from '../storage/database.js';
import { countIdentities, nextLiveOrdinal } from '../storage/scans.js';

/** Ordinals in [from, until), whole chunks of one part of the bitmaps. */
export interface Range {
  readonly from: number;
  readonly until: number;
}

/** Most identities of a range that is wider than where ordinals are dense, when they are counted. */
const MAX_WIDE_IDENTITIES = 2 * CHUNK_SIZE;
/** Most chunks of one range, however few identities they have: each is a row of its own. */
const MAX_CHUNKS = 2 ** 12;
/** A range with fewer identities than this share of what is wanted makes the next one wider. */
const SPARSE_SHARE = 1 / 16;
const WIDENING = 4;

/**
 * The ranges that a scan reads, ascending: `denseChunks` wide where ordinals are dense, wider where they lie far apart. Ranges without a live ordinal
 * are left out: what becomes live in them from now on is in the log.
 */
export class BuildRanges {
  readonly #sql: Sql;
  readonly #environmentId: number;
  readonly #denseChunks: number;
  #start: number;
  #chunks: number;

  constructor(sql: Sql, environmentId: number, start: number, denseChunks: number) {
    this.#sql = sql;
    this.#environmentId = environmentId;
    this.#start = start;
    this.#denseChunks = denseChunks;
    this.#chunks = denseChunks;
  }

  /** The next range; undefined after the last. */
  async next(): Promise<Range | undefined> {
    const first = await nextLiveOrdinal(this.#sql, this.#environmentId, this.#start);
    if (first === undefined) return undefined;
    const from = chunkOf(first) * CHUNK_SIZE;
    await this.#widen(from);
    const until = this.#end(from);
    this.#start = until;
    return { from, until };
  }

  #end(from: number): number {
    return Math.min(from + this.#chunks * CHUNK_SIZE, (Math.floor(from / PART_SIZE) + 1) * PART_SIZE);
  }

  /** As wide as gives enough identities, and no wider than gives too many. */
  async #widen(from: number): Promise<void> {
    const count = (limit: number): Promise<number> =>
      countIdentities(this.#sql, this.#environmentId, from, this.#end(from), limit);
    const few = this.#denseChunks * CHUNK_SIZE * SPARSE_SHARE;
    while (this.#chunks < MAX_CHUNKS && (await count(few)) < few)
      this.#chunks = Math.min(MAX_CHUNKS, this.#chunks * WIDENING);
    while (this.#chunks > this.#denseChunks && (await count(MAX_WIDE_IDENTITIES + 1)) > MAX_WIDE_IDENTITIES)
      this.#chunks = Math.max(this.#denseChunks, Math.floor(this.#chunks / WIDENING));
  }
}
