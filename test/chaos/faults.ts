import { setTimeout as sleep } from 'node:timers/promises';
import { checkMoment, whileAway } from './checks.js';
import { holdAt, type NamedPoint } from './named-points.js';
import type { Fault, Step } from './schedule.js';
import { type Service, SESSION_TIMEOUT_MS } from './service.js';
import type { World } from './world.js';
import { actAsZombie } from './zombie.js';

const POINT_TIMEOUT_MS = 20_000;

type Doing = (world: World, step: Step, victim: Service) => Promise<string>;

/** What each fault does; afterwards two services run again. Says what came of it. */
export const DO: Readonly<Record<Fault, Doing>> = {
  async 'kill at any moment'(_world, _step, victim) {
    await victim.kill();
    return victim.name;
  },
  'kill after the identity rows': (world) => killAt(world, 'rows'),
  'kill before the commit': (world) => killAt(world, 'offset'),
  'kill within the commit': (world) => killAt(world, 'commit'),
  async 'kill after the commit, before the hint'(_world, _step, victim) {
    const isReached = await new Promise<boolean>((resolve) => {
      victim.kafka.holdOffsetCommits(() => resolve(true));
      setTimeout(() => resolve(false), POINT_TIMEOUT_MS);
    });
    await victim.kill();
    victim.kafka.release();
    return `${victim.name}${isReached ? '' : ', which committed nothing to Kafka'}`;
  },
  'lose the answer to a commit': (world) =>
    atPoint(world, 'commit', (service) => {
      service.postgres.cut();
      return Promise.resolve();
    }),
  async 'stop and start'(_world, { durationMs }, victim) {
    await victim.stop();
    await sleep(durationMs);
    return victim.name;
  },
  'join, then leave': (world, { durationMs }) => join(world, durationMs, (guest) => guest.stop()),
  'join, then die': (world, { durationMs }) => join(world, durationMs, (guest) => guest.kill()),
  async 'sleep beyond the session'(_world, { durationMs }, victim) {
    victim.signal('SIGSTOP');
    await sleep(SESSION_TIMEOUT_MS + durationMs);
    victim.signal('SIGCONT');
    return victim.name;
  },
  'act as a zombie': actAsZombie,
  async 'kill the broker'({ options: { broker } }, { durationMs }) {
    await broker.faults?.kill();
    await sleep(durationMs);
    await broker.faults?.restart();
    return `for ${durationMs} ms`;
  },
  async 'kill the database'({ options, database }) {
    await options.database.killServer?.();
    await whileAway(() => database.sql`select 1`.then(() => undefined));
    return '';
  },
  async 'cut the database connections'({ database }) {
    const { count } = await database.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name <> 'chaos'`;
    return `${count} of them`;
  },
  'cut all connections of a service'(_world, _step, victim) {
    victim.kafka.cut();
    victim.postgres.cut();
    return Promise.resolve(victim.name);
  },
  'freeze the way to the database': (_world, { durationMs }, victim) => freeze(victim, victim.postgres, 3 * durationMs),
  'freeze the way to the broker': (_world, { durationMs }, victim) =>
    freeze(victim, victim.kafka, SESSION_TIMEOUT_MS + durationMs),
};

function killAt(world: World, point: NamedPoint): Promise<string> {
  return atPoint(world, point, (service) => service.kill());
}

/** Does something to the first service that comes to a point, while it is held there. */
async function atPoint(world: World, point: NamedPoint, work: (service: Service) => Promise<void>): Promise<string> {
  const ownerOf = (port: number) => world.services.find(({ postgres }) => postgres.hasPort(port));
  const name = await holdAt(world.database, point, ({ port }) => ownerOf(port) !== undefined, {
    timeoutMs: POINT_TIMEOUT_MS,
    async work({ port }) {
      const service = ownerOf(port);
      if (service !== undefined) await work(service);
      // Nothing of the transaction may be seen, whatever part of it was.
      world.found.push(...(await checkMoment(world)));
      return service?.name;
    },
  });
  return name ?? 'nobody came there';
}

async function join(
  { services }: World,
  durationMs: number,
  leave: (guest: Service) => Promise<void>,
): Promise<string> {
  const guest = services[2];
  if (guest === undefined) return 'there is no third service';
  await guest.start();
  await sleep(2_000 + durationMs);
  await leave(guest);
  return guest.name;
}

async function freeze({ name }: Service, way: { hold(): void; release(): void }, durationMs: number): Promise<string> {
  way.hold();
  await sleep(durationMs);
  way.release();
  return `${name} for ${durationMs} ms`;
}
