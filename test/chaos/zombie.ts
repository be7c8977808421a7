import { setTimeout as sleep } from 'node:timers/promises';
import { checkMoment, whileAway } from './checks.js';
import { type Service, SESSION_TIMEOUT_MS } from './service.js';
import type { World } from './world.js';

const OWNER_TIMEOUT_MS = 15_000;
const TAKEOVER_TIMEOUT_MS = 30_000;
/** By then every partition of the victim has a batch in hand. */
const IN_HAND_MS = 1_000;
const LOOKS = 6;
const LOOK_MS = 250;

/**
 * A service that has batches in hand when the broker takes it for dead, and does not know: its transactions are kept from beginning, then its way to the broker is cut off. Only when
 * another service has applied those very batches and what follows them do its transactions begin (I7).
 */
export async function actAsZombie(world: World): Promise<string> {
  const victim = await findOwner(world);
  if (victim === undefined) return 'nobody owns a partition';
  victim.postgres.holdTransactions();
  try {
    await sleep(IN_HAND_MS);
    const held = victim.postgres.heldTransactions;
    victim.kafka.hold();
    const isTakenOver = await waitForTakeover(world);
    victim.postgres.release();
    for (let look = 0; look < LOOKS && world.found.length === 0; look++) {
      await sleep(LOOK_MS);
      world.found.push(...(await checkMoment(world)));
    }
    return `${victim.name} with ${held} transactions held${isTakenOver ? '' : ', and nobody took over'}`;
  } finally {
    victim.postgres.release();
    victim.kafka.release();
  }
}

/** A service that has moved a partition on within the last second. */
async function findOwner({ database, services, topic }: World): Promise<Service | undefined> {
  const deadline = Date.now() + OWNER_TIMEOUT_MS;
  while (Date.now() < deadline) {
    const rows = await whileAway(
      () => database.sql<{ owner: string }[]>`
        select owner from kafka_offset where topic = ${topic.name} and updated_at > now() - interval '1 second'`,
    );
    const owners = new Set(rows.map(({ owner }) => owner.split('/')[1]));
    const found = services.slice(0, 2).find(({ pid }) => owners.has(String(pid)));
    if (found !== undefined && services.slice(0, 2).every(({ isRunning }) => isRunning)) return found;
    await sleep(100);
  }
  return undefined;
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
