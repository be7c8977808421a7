/** The loads of one environment, which follow each other, and the news that call for them. */
export class LoadTurns {
  readonly #load: (atomIds: readonly number[]) => Promise<void>;
  readonly #reached: () => number;
  #last: Promise<void> = Promise.resolve();
  #nextAdvance: Promise<void> | undefined;
  #hinted = -1;
  #isAdvancing = false;

  /** `load` brings memory up to the newest revision, with these atoms in it; `reached` is the revision of what is in memory. */
  constructor(load: (atomIds: readonly number[]) => Promise<void>, reached: () => number) {
    this.#load = load;
    this.#reached = reached;
  }

  /** Loads when those before are done. */
  load(atomIds: readonly number[]): Promise<void> {
    return this.#inTurn(() => this.#load(atomIds));
  }

  /** Loads what is new. Callers that wait for their turn share one: it begins after each of them asked. */
  advance(): Promise<void> {
    this.#nextAdvance ??= this.#inTurn(() => {
      this.#nextAdvance = undefined;
      return this.#load([]);
    });
    return this.#nextAdvance;
  }

  /** Loads soon where memory is behind `revision`: news that may be false or late. */
  hint(revision: number, onError: (error: unknown) => void): void {
    if (revision <= this.#hinted) return;
    this.#hinted = revision;
    if (this.#isAdvancing || revision <= this.#reached()) return;
    this.#isAdvancing = true;
    this.#advanceToHint()
      .catch(onError)
      .finally(() => {
        this.#isAdvancing = false;
      });
  }

  /** Forgets the news: the revisions of another database say nothing of this one. */
  forgetHint(): void {
    this.#hinted = -1;
  }

  async #advanceToHint(): Promise<void> {
    for (let followed = -1; this.#reached() < this.#hinted && followed < this.#hinted;) {
      followed = this.#hinted;
      await this.advance();
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
