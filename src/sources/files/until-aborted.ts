/** The same items, until the signal fires: then its reason is thrown at once, whether or not an item is on its way. */
export async function* untilAborted<Item>(items: AsyncIterable<Item>, signal: AbortSignal): AsyncGenerator<Item> {
  const iterator = items[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await nextOrAbort(iterator, signal);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // An iterator that still waits for an item answers this when that has come: nobody is there to wait for it.
    void iterator.return?.().catch(() => undefined);
  }
}

/** A listener for each item: one promise that outlives them all would hold on to every one. */
function nextOrAbort<Item>(iterator: AsyncIterator<Item>, signal: AbortSignal): Promise<IteratorResult<Item>> {
  return new Promise((resolve, reject) => {
    const fail = (): void => {
      reject(signal.reason instanceof Error ? signal.reason : new Error('aborted', { cause: signal.reason }));
    };
    if (signal.aborted) {
      fail();
      return;
    }
    signal.addEventListener('abort', fail, { once: true });
    const done = (): void => {
      signal.removeEventListener('abort', fail);
    };
    iterator.next().then(
      (next) => {
        done();
        resolve(next);
      },
      (error: unknown) => {
        done();
        reject(error instanceof Error ? error : new Error('an iterator failed', { cause: error }));
      },
    );
  });
}
