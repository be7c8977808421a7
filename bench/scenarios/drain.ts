import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { findBroker } from '../../src/cli/development-broker/find-broker.js';
import { Applier } from '../../src/indexing/applier.js';
import { createKafkaClient, type KafkaClient } from '../../src/indexing/kafka/kafka-client.js';
import type { Database } from '../../src/storage/database.js';
import { changeOf, messageOf, traitEvents } from './drain-changes.js';
import type { Figure } from '../report/figures.js';
import { withServer } from '../measure/server-process.js';
import { timed } from '../measure/statistics.js';
import { measureVisibility } from './visibility.js';
import type { World } from '../world/world.js';

/** Each round is of so many events; a quick world has fewer. */
const BACKLOG = 1_000_000;
const EVENTS_PER_IDENTITY = 2;
const PARTITIONS = 6;
const GOAL_SHARE = 0.6;
const DRAIN_POLL_MS = 50;
const NO_LOG = (): void => undefined;

/** A backlog of trait events, applied by the applier alone and drained from a topic by the service, each on a copy; then a steady stream. */
export async function drainScenario(world: World): Promise<Figure[]> {
  const broker = await findBroker({ log: (line) => console.error(line) });
  try {
    return await measureDrain(world, broker.brokers);
  } finally {
    await broker.stop();
  }
}

async function measureDrain(world: World, brokers: readonly string[]): Promise<Figure[]> {
  const events = Math.min(BACKLOG, world.identities * EVENTS_PER_IDENTITY);
  const client = createKafkaClient({
    brokers,
    tls: false,
    tlsCaFile: undefined,
    sasl: undefined,
    onLog: NO_LOG,
  });
  const topic = `bench-${randomUUID()}`;
  await withTopic(client, topic, () => produceAll(world, client, topic, events));
  const alone: number[] = [];
  const drained: number[] = [];
  const figures: Figure[] = [];
  await world.onCopy(async (copy) => {
    alone.push(await applyAlone(world, copy, events));
  });
  await world.onCopy(async (copy) => {
    const kafka = { ROLLCALL_KAFKA_BROKERS: brokers.join(','), ROLLCALL_KAFKA_TOPICS: topic };
    await withEnvironment(kafka, async () => {
      await withServer(await urlOf(world, copy), async (address) => {
        drained.push(await timed(() => untilDrained(copy, topic, events)));
        figures.push(...(await measureVisibility(client, topic, address)));
      });
    });
  });
  const rate = (ms: readonly number[]): number => (events / (ms[0] ?? NaN)) * 1000;
  const ratio = rate(drained) / rate(alone);
  const figure = { scenario: `drain ${events.toLocaleString('en')}`, unit: 'events/s' };
  return [
    { ...figure, what: 'through the applier alone', value: rate(alone) },
    { ...figure, what: 'from a topic of 6 partitions, by the service', value: rate(drained) },
    {
      ...figure,
      what: 'drained / applier alone',
      value: ratio,
      unit: '',
      goal: `≥ ${GOAL_SHARE}`,
      isReached: ratio >= GOAL_SHARE,
    },
    ...figures,
  ];
}

async function withTopic(client: KafkaClient, topic: string, work: () => Promise<void>): Promise<void> {
  const admin = client.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }] });
  await work();
  await admin.disconnect();
}

async function produceAll(world: World, client: KafkaClient, topic: string, events: number): Promise<void> {
  const producer = client.producer();
  await producer.connect();
  for await (const batch of traitEvents(world, world.database, events))
    await producer.send({ topic, messages: batch.map(messageOf) });
  await producer.disconnect();
}

/** Milliseconds in the applier, in batches as the feed makes them by default. */
async function applyAlone(world: World, copy: Database, events: number): Promise<number> {
  const applier = new Applier(copy, () => undefined);
  let ms = 0;
  for await (const batch of traitEvents(world, copy, events)) {
    const changes = batch.map(changeOf);
    ms += await timed(() => applier.apply(changes));
  }
  return ms;
}

async function untilDrained({ sql }: Database, topic: string, events: number): Promise<void> {
  for (;;) {
    const [row] = await sql<{ applied: number }[]>`
      select coalesce(sum(next_offset), 0)::bigint as applied from kafka_offset where topic = ${topic}`;
    if ((row?.applied ?? 0) >= events) return;
    await sleep(DRAIN_POLL_MS);
  }
}

async function urlOf(world: World, { sql }: Database): Promise<string> {
  const [row] = await sql<{ name: string }[]>`select current_database() as name`;
  const url = new URL(world.url);
  url.pathname = `/${row?.name ?? ''}`;
  return url.href;
}

/** The server's process has its options from there. */
async function withEnvironment(values: Readonly<Record<string, string>>, work: () => Promise<void>): Promise<void> {
  Object.assign(process.env, values);
  try {
    await work();
  } finally {
    for (const name of Object.keys(values)) Reflect.deleteProperty(process.env, name);
  }
}
