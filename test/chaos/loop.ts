import { setTimeout as sleep } from 'node:timers/promises';

/** Work that is done again and again beside everything else, and can stand still for a while. */
export interface Loop {
  /** Resolves when the step under way has ended. */
  pause(): Promise<void>;
  resume(): void;
  /** Ends it. Throws what a step threw. */
  stop(): Promise<void>;
}

/** Starts doing `step`, with a rest after each. A step that throws ends the loop. */
export function startLoop(restMs: number, step: () => Promise<void>): Loop {
  let isWanted = true;
  let isPaused = false;
  let underWay: Promise<void> = Promise.resolve();
  const run = async (): Promise<void> => {
    while (isWanted) {
      if (!isPaused) await (underWay = step());
      await sleep(restMs);
    }
  };
  const ended = run();
  ended.catch(() => undefined);
  return {
    async pause() {
      isPaused = true;
      await underWay;
    },
    resume() {
      isPaused = false;
    },
    stop() {
      isWanted = false;
      return ended;
    },
  };
}
