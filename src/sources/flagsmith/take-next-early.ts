/**
 * The same items, of which the next is made while one is used. `stop` is called when the reader ends, for whatever reason: it must end what is under way.
 */
export async function* takeNextEarly<Item>(items: AsyncGenerator<Item>, stop: () => void): AsyncGenerator<Item> {
  let next = takeNext(items);
  try {
    for (let taken = await next; taken.done !== true; taken = await next) {
      next = takeNext(items);
      yield taken.value;
    }
  } finally {
    stop();
    await next.catch(() => undefined);
  }
}

/** Its failure is met when it is awaited, and may never be. */
function takeNext<Item>(items: AsyncGenerator<Item>): Promise<IteratorResult<Item>> {
  const next = items.next();
  next.catch(() => undefined);
  return next;
}
