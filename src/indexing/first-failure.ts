/** Among promises of one transaction: what fails first is the cause of what fails after it. */
export class FirstFailure {
  #first: { readonly error: unknown } | undefined;

  /** The same promise. Should it reject while nobody waits for it yet, or any more, that ends no process. */
  watch<T>(promise: Promise<T>): Promise<T> {
    promise.catch((error: unknown) => {
      this.#first ??= { error };
    });
    return promise;
  }

  /** What failed before `error` did, or that itself. */
  causeOf(error: unknown): unknown {
    return this.#first === undefined ? error : this.#first.error;
  }
}
