import { deepStrictEqual } from 'node:assert/strict';
import type { Person } from '../../src/cli/demo/population.js';
import { checkMembership } from '../../src/query/check.js';
import { EnvironmentIndex } from '../../src/query/environment-index.js';
import type { IdentityQuery } from '../../src/query/identity-truth.js';
import { SetCache } from '../../src/query/set-cache.js';
import type { Database } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import { median, percentile } from '../measure/statistics.js';
import { type FlagsmithIdentity, flagsmithIdentity, openFlagsmith } from '../peers/flagsmith.js';
import type { Figure } from '../report/figures.js';
import { createCheckEnvironment, traitTexts, withCheckDatabase } from '../world/check-database.js';
import { type CheckEnvironment, checkPeople, LONG_LISTS, MIXED } from '../world/check-environment.js';
import type { World } from '../world/world.js';
import { checkCalls } from './check-calls.js';

/** Identities whose answers are compared, in lists fewer: the peer takes milliseconds for each. So many of them are asked about in turn, after rounds of warming up. */
const WHOLE = { people: 2_000, listedPeople: 500, asked: 500, warmUpRounds: 8 };
const SMOKE: typeof WHOLE = { people: 100, listedPeople: 20, asked: 20, warmUpRounds: 2 };
const PEER_SHARE = 10;
/** Checks that are timed together: a clock costs as much as some of them. */
const IN_A_ROW = 50;
const PASSES = 20;
const GOAL_US = 2.7;

/** CheckMembership of all segments of an environment of 438 features, beside flagsmith-nodejs; and the calls about one identity over gRPC. */
export async function checkScenario(world: World, rounds: number): Promise<Figure[]> {
  const size = world.isSmoke ? SMOKE : WHOLE;
  const figures = await withCheckDatabase(world, async (database, url) => {
    const people = [...checkPeople(size.people)];
    const listed = people.slice(0, size.listedPeople);
    const mixed = await createCheckEnvironment(database, MIXED, people);
    const lists = await createCheckEnvironment(database, LONG_LISTS, []);
    const stored = await createCheckEnvironment(database, { ...LONG_LISTS, key: 'check-stored-lists' }, [], true);
    return [
      ...(await inProcess(database, mixed, MIXED, people, { ...size, rounds }, '23 segments')),
      ...(await inProcess(database, lists, LONG_LISTS, listed, { ...size, rounds }, '30 long lists')),
      ...(await inProcess(database, stored, LONG_LISTS, listed, { ...size, rounds }, '30 long stored lists')),
      ...(await checkCalls(url, mixed.key, people, '23 segments', world.isSmoke)),
    ];
  });
  return [...figures, ...(await checkCalls(world.url, world.environment.key, undefined, 'the world', world.isSmoke))];
}

/** What is asked about one identity, of each side. */
interface Asked {
  readonly inline: IdentityQuery;
  readonly stored: IdentityQuery;
  readonly flagsmith: FlagsmithIdentity;
}

async function inProcess(
  database: Database,
  environment: Environment,
  definition: CheckEnvironment,
  people: readonly Person[],
  size: typeof WHOLE & { readonly rounds: number },
  what: string,
): Promise<Figure[]> {
  const peer = await openFlagsmith(definition, environment.key);
  const index = openIndex(database, environment);
  await index.advance();
  const all = people.map((person) => askedOf(person, environment));
  const check = (identity: IdentityQuery) =>
    checkMembership(database, index, identity, [], { level: 'minimize_latency' });
  for (const { inline, stored, flagsmith } of all) {
    const expected = peer.evaluateAll(flagsmith);
    const isSame = async (query: IdentityQuery): Promise<void> =>
      deepStrictEqual(memberships(await check(query)), expected);
    await isSame(inline);
    if (index.catalog.building === 0) await isSame(stored);
  }
  const asked = all.slice(0, size.asked);
  const lazily = new Timing();
  const peerAll = new Timing();
  const peerSegments = new Timing();
  const peerCall = new Timing();
  for (let round = -size.warmUpRounds; round < size.rounds; round++)
    for (let from = 0; from < asked.length * PASSES; from += IN_A_ROW)
      await lazily.timeEach(round >= 0, rowOf(asked, from), ({ inline }) => check(inline));
  for (let round = -1; round < size.rounds; round++) {
    const isTimed = round >= 0;
    for (const { flagsmith } of asked.slice(0, Math.ceil(asked.length / PEER_SHARE))) {
      await peerAll.time(isTimed, () => peer.evaluateAll(flagsmith));
      await peerSegments.time(isTimed, () => peer.evaluateSegments(flagsmith));
      await peerCall.time(isTimed, () => peer.getIdentitySegments(flagsmith));
    }
  }
  return [
    lazily.figure(`${what}: CheckMembership of inline traits, in process, ${IN_A_ROW} in a row`, GOAL_US),
    peerSegments.figure(`${what}: flagsmith-nodejs, its segments alone`),
    peerAll.figure(`${what}: flagsmith-nodejs, segments and features`),
    peerCall.figure(`${what}: flagsmith-nodejs, getIdentitySegments`),
  ];
}

function memberships({ results }: Awaited<ReturnType<typeof checkMembership>>): string[] {
  const members: string[] = [];
  for (const result of results) {
    if ('error' in result) throw result.error;
    if (result.isMember) members.push(result.segment);
  }
  return members.sort((a, b) => Number(a) - Number(b));
}

function askedOf(person: Person, environment: Environment): Asked {
  const { identifier } = person;
  return {
    inline: { kind: 'inline', identifier, traits: traitTexts(person) },
    stored: { kind: 'identifier', identifier },
    flagsmith: flagsmithIdentity(person, environment.key),
  };
}

function openIndex(database: Database, environment: Environment): EnvironmentIndex {
  return new EnvironmentIndex(database, environment, {
    chunkCache: new SetCache(64 * 1024 * 1024),
    composedCache: new SetCache(64 * 1024 * 1024),
    maxStalenessMs: 3_600_000,
    onCorrupt: () => undefined,
  });
}

/** Those whose turn it is, of all in turn. */
function rowOf(asked: readonly Asked[], from: number): Asked[] {
  const start = from % asked.length;
  return asked.slice(start, start + IN_A_ROW);
}

/** Microseconds of calls. */
class Timing {
  readonly #us: number[] = [];

  async time(isTimed: boolean, work: () => unknown): Promise<void> {
    const start = process.hrtime.bigint();
    await work();
    if (isTimed) this.#us.push(Number(process.hrtime.bigint() - start) / 1_000);
  }

  /** Calls in a row, of which the mean counts. */
  async timeEach<Item>(isTimed: boolean, items: readonly Item[], work: (item: Item) => unknown): Promise<void> {
    const start = process.hrtime.bigint();
    for (const item of items) await work(item);
    if (isTimed) this.#us.push(Number(process.hrtime.bigint() - start) / 1_000 / items.length);
  }

  figure(what: string, goal?: number): Figure {
    const value = median(this.#us);
    const isReached = goal === undefined ? {} : { goal: `≤ ${goal}`, isReached: value <= goal };
    return { scenario: 'check', what, value, unit: 'µs', p99: percentile(this.#us, 0.99), ...isReached };
  }
}
