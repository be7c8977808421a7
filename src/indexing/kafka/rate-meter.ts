/** Counts things over a window of the last milliseconds. */
export class RateMeter {
  readonly #windowMs: number;
  readonly #startedMs = performance.now();
  #counts: { readonly atMs: number; count: number }[] = [];

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  add(count: number): void {
    const now = performance.now();
    const last = this.#counts.at(-1);
    if (last !== undefined && now - last.atMs < this.#windowMs / 20) last.count += count;
    else this.#counts.push({ atMs: now, count });
    this.#forget(now);
  }

  /** The mean over the window, or since the start where that is more recent. */
  perSecond(): number {
    const now = performance.now();
    this.#forget(now);
    const sum = this.#counts.reduce((total, { count }) => total + count, 0);
    return sum === 0 ? 0 : sum / (Math.max(1_000, Math.min(this.#windowMs, now - this.#startedMs)) / 1000);
  }

  #forget(now: number): void {
    const first = this.#counts.findIndex(({ atMs }) => now - atMs < this.#windowMs);
    this.#counts = first < 0 ? [] : this.#counts.slice(first);
  }
}
