import { setTimeout as sleep } from 'node:timers/promises';
import { history } from './history.js';
import type { OutgoingMessage } from './intent.js';
import { type Loop, startLoop } from './loop.js';
import { createRandom, type Random } from './random.js';
import type { Topic } from './topic.js';

const SENDS_PER_SECOND = 10;
const RETRY_MS = 300;

/** Starts a producer that sends about `rate` messages a second until it is stopped. While the broker is away it tries again. */
export function startProducer(topic: Topic, seed: number, stream: number, rate: number): Loop {
  const random = createRandom(seed, stream);
  const messages = history(createRandom(seed, stream + 1));
  return startLoop(1_000 / SENDS_PER_SECOND, () =>
    sendUntilThere(topic, take(messages, burstOf(random, rate / SENDS_PER_SECOND)), random.chance(0.2)),
  );
}

/** Mostly a few; now and then a heap. */
function burstOf(random: Random, mean: number): number {
  return random.chance(0.02) ? Math.ceil(mean * 10) : random.int(1, Math.ceil(mean * 1.6));
}

function take(messages: Generator<OutgoingMessage, never>, count: number): OutgoingMessage[] {
  return Array.from({ length: count }, () => messages.next().value);
}

async function sendUntilThere(
  topic: Topic,
  messages: readonly OutgoingMessage[],
  isCompressed: boolean,
): Promise<void> {
  for (;;) {
    try {
      await topic.send(messages, isCompressed);
      return;
    } catch {
      await sleep(RETRY_MS);
    }
  }
}
