import { setTimeout as sleep } from 'node:timers/promises';
import { whileAway } from './checks.js';
import { type Service, SESSION_TIMEOUT_MS } from './service.js';
import type { World } from './world.js';

const HELD_TIMEOUT_MS = 8_000;
const TAKEOVER_TIMEOUT_MS = 30_000;
const MINGLE_MS = 1_500;

/**
 * A service that has batches in hand when the broker takes it for dead, and does not know: its transactions are kept from beginning, then its way to the broker is cut off. Only when
 * another service has applied those very batches and what follows them do its transactions begin (I7).
 */
export async function actAsZombie(world: World, victim: Service): Promise<string> {
  victim.postgres.holdTransactions();
  try {
    const deadline = Date.now() + HELD_TIMEOUT_MS;
    while (victim.postgres.heldTransactions === 0 && Date.now() < deadline) await sleep(20);
    // More partitions come to have a batch in hand.
    await sleep(500);
    const held = victim.postgres.heldTransactions;
    victim.kafka.hold();
    const isTakenOver = await waitForTakeover(world);
    await sleep(MINGLE_MS);
    victim.postgres.release();
    await sleep(MINGLE_MS);
    return `${victim.name} with ${held} transactions held${isTakenOver ? '' : ', and nobody took over'}`;
  } finally {
    victim.postgres.release();
    victim.kafka.release();
  }
}

/** Waits until every partition is applied up to where it ends now. */
async function waitForTakeover({ topic, database }: World): Promise<boolean> {
  await sleep(SESSION_TIMEOUT_MS);
  const ends = await topic.ends();
  const deadline = Date.now() + TAKEOVER_TIMEOUT_MS;
  while (Date.now() < deadline) {
    const offsets = await whileAway(
      () => database.sql<{ partition: number; next: number }[]>`
      select partition, next_offset as next from kafka_offset where topic = ${topic.name}`,
    );
    if (offsets.every(({ partition, next }) => next >= (ends.get(partition) ?? 0))) return true;
    await sleep(50);
  }
  return false;
}
