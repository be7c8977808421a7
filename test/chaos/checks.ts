import { setTimeout as sleep } from 'node:timers/promises';
import { compareAnswers } from './compare-answers.js';
import { compareAtoms } from './compare-atoms.js';
import { compareBackfill } from './compare-backfill.js';
import { compareState } from './compare-state.js';
import { compareStoredBytes } from './compare-stored-bytes.js';
import { checkLedger } from './ledger.js';
import { readHeads } from '../../src/storage/environments.js';
import { readSnapshot, type Snapshot } from './snapshot.js';
import type { World } from './world.js';

const DRAIN_TIMEOUT_MS = 90_000;
const LEASES_LAST_MS = 4_000;
const MIRROR_TIMEOUT_MS = 30_000;
const AWAY_TIMEOUT_MS = 45_000;
/** Atoms whose bitmaps are compared while all goes on: one in so many. */
const SAMPLED = 5;

/** What is wrong right now, in the midst of everything: what is stored must be exactly the messages before the stored offsets. */
export async function checkMoment(world: World): Promise<string[]> {
  const turn = Math.floor(Date.now() / 1_000) % SAMPLED;
  const snapshot = await whileAway(() =>
    readSnapshot(world.database, world.topic.name, ({ id }) => id % SAMPLED === turn),
  );
  return [...(await compareAll(world, snapshot)), ...endedServices(world)];
}

/** Lets everybody come to rest and compares all there is. What is wrong; none where all is as it should be. */
export async function checkAtRest(world: World): Promise<string[]> {
  await Promise.all(world.writers.map((writer) => writer.pause()));
  const problems = await restAndCompare(world);
  for (const writer of world.writers) writer.resume();
  return problems;
}

async function restAndCompare(world: World): Promise<string[]> {
  const ended = endedServices(world);
  if (ended.length > 0) return ended;
  const notAtRest = await waitForRest(world);
  for (;;) {
    const snapshot = await whileAway(() => readSnapshot(world.database, world.topic.name));
    const problems = [...notAtRest, ...(await compareEverything(world, snapshot))];
    // A call that was given up may still have been applied, and what was compared was not of one revision.
    if (problems.length === 0 || (await hasNoNews(world, snapshot))) return problems;
  }
}

async function compareEverything(world: World, snapshot: Snapshot): Promise<string[]> {
  const problems = await compareAll(world, snapshot);
  problems.push(...snapshot.stopped.map((reason) => `a partition stopped: ${reason}`));
  problems.push(...(await checkLedger(world.database, world.topic.name)));
  if (problems.length > 0) return problems;
  for (const environment of snapshot.environments) {
    problems.push(...compareBackfill(environment, world.backfill));
    problems.push(...(await compareStoredBytes(world.database, environment)));
    problems.push(...(await compareAnswers(world.services, environment)));
  }
  return problems;
}

async function hasNoNews({ database }: World, { environments }: Snapshot): Promise<boolean> {
  const ids = environments.map(({ environment }) => environment.id);
  const heads = await whileAway(() => readHeads(database.sql, ids));
  return environments.every(({ environment, revision }) =>
    heads.some((head) => head.environmentId === environment.id && head.revision === revision),
  );
}

async function compareAll(world: World, snapshot: Snapshot): Promise<string[]> {
  const missing = await advance(world, snapshot);
  if (missing.length > 0) return missing;
  const explain = (environment: string, identifier: string): string => messagesAbout(world, environment, identifier);
  return [...compareState(snapshot, world.expected, explain), ...snapshot.environments.flatMap(compareAtoms)];
}

/** Brings the expected state to the offsets of a snapshot. */
async function advance({ topic, expected }: World, { offsets }: Snapshot): Promise<string[]> {
  const problems: string[] = [];
  for (const [partition, next] of offsets) {
    if (next < expected.nextOffset(partition))
      problems.push(`partition ${partition} went back from ${expected.nextOffset(partition)} to ${next}`);
    const deadline = Date.now() + MIRROR_TIMEOUT_MS;
    while (expected.nextOffset(partition) < next) {
      const message = topic.at(partition, expected.nextOffset(partition));
      if (message !== undefined) expected.add(message);
      else if (Date.now() < deadline) await sleep(20);
      else
        return [
          ...problems,
          `the topic holds no message ${partition}:${expected.nextOffset(partition)}, and it is said to be applied`,
        ];
    }
  }
  return problems;
}

/** Waits until every message is applied and every atom built. */
async function waitForRest(world: World): Promise<string[]> {
  const began = Date.now();
  let isEased = false;
  for (;;) {
    const left = await whileAway(() => leftToDo(world));
    if (left.length === 0) return [];
    const waitedMs = Date.now() - began;
    if (waitedMs > DRAIN_TIMEOUT_MS)
      return [`after ${DRAIN_TIMEOUT_MS / 1_000} s there is left to do: ${left.join(', ')}`];
    if (waitedMs > LEASES_LAST_MS && !isEased) {
      isEased = true;
      await whileAway(() => endLeases(world));
    }
    await sleep(100);
  }
}

async function leftToDo({ database: { sql }, topic }: World): Promise<string[]> {
  const ends = await topic.ends();
  const rows = await sql<{ partition: number; next: number }[]>`
    select partition, next_offset as next from kafka_offset where topic = ${topic.name}`;
  const offsets = new Map(rows.map(({ partition, next }) => [partition, next]));
  const behind = [...ends].filter(([partition, end]) => (offsets.get(partition) ?? 0) !== end);
  const building = (await sql`select from atom where state <> 'ready'`).length;
  return [
    ...behind.map(([partition, end]) => `partition ${partition} from ${offsets.get(partition) ?? 0} to ${end}`),
    ...(building === 0 ? [] : [`${building} atoms to build`]),
  ];
}

/** What was building when its process was killed is held for a minute; that is over now. */
async function endLeases({ database: { sql } }: World): Promise<void> {
  await sql`update atom set lease_until = '-infinity' where state <> 'ready'`;
}

/** Does something again until it succeeds, as after the database was away; in the end throws. */
export async function whileAway<T>(work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + AWAY_TIMEOUT_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(200);
    }
  }
}

function endedServices({ services }: World): string[] {
  return services.map(({ untimelyEnd }) => untimelyEnd).filter((end) => end !== undefined);
}

function messagesAbout({ topic }: World, environment: string, identifier: string): string {
  const places: string[] = [];
  for (const { partition, offset, intent } of topic.all()) {
    const identity = intent.kind === 'garbage' ? intent.identity : intent;
    if (identity?.environment === environment && identity.identifier === identifier)
      places.push(`${partition}:${offset} ${JSON.stringify(intent)}`);
  }
  return `the last messages about it: ${places.slice(-4).join('; ')}`;
}
