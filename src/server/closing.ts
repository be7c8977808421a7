import type { Logger } from './logger.js';

/** What ends the parts that were started, in the order of their start. */
export type Closing = (() => Promise<void>)[];

/** Ends the parts, the last one first, each once; one that does not end in order keeps no other from it. */
export async function closeAll(closing: Closing, logger: Logger): Promise<void> {
  for (const close of closing.splice(0).reverse()) {
    await close().catch((error: unknown) => {
      logger.error({ err: error }, 'a part did not stop cleanly');
    });
  }
}
