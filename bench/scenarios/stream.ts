import { strictEqual } from 'node:assert/strict';
import { RollcallClient } from '../../src/cli/client.js';
import { OrdinalSet } from '../../src/core/bitmap.js';
import { MembershipService } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { readPages } from '../../src/query/member-pages.js';
import { DENSITIES, SCORE, SCORES } from '../world/segments.js';
import type { Figure } from '../report/figures.js';
import { withServer } from '../measure/server-process.js';
import { median, timed } from '../measure/statistics.js';
import { streamBytes } from '../measure/stream-bytes.js';
import { ENVIRONMENT, type World } from '../world/world.js';

const GOAL_DENSITY = 0.1;
const GOAL_SHARE = 0.8;

/** StreamMembers to a client that counts bytes and to one that decodes, against the same page queries alone. */
export async function streamScenario(world: World, rounds: number): Promise<Figure[]> {
  return withServer(world.url, async (address) => {
    const figures: Figure[] = [];
    for (const { key, share } of DENSITIES) {
      figures.push(...(await measure(world, address, { key, share, set: await readMembers(world, share) }, rounds)));
    }
    return figures;
  });
}

async function measure(
  world: World,
  address: string,
  segment: { key: string; share: number; set: OrdinalSet },
  rounds: number,
): Promise<Figure[]> {
  const { key, share, set } = segment;
  const expected = set.size;
  strictEqual(await readAlone(world, set), expected, `the pages of ${key} have every member`);
  strictEqual(await streamDecoded(address, key), expected, `the stream of ${key} has every member`);
  const ms = { alone: [] as number[], bytes: [] as number[], decoded: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    ms.alone.push(await timed(() => readAlone(world, set)));
    ms.bytes.push(await timed(() => streamBytes(address, ENVIRONMENT, key)));
    ms.decoded.push(await timed(() => streamDecoded(address, key)));
  }
  const ratio = median(ms.alone) / median(ms.bytes);
  const goal = share === GOAL_DENSITY ? { goal: `≥ ${GOAL_SHARE}`, isReached: ratio >= GOAL_SHARE } : {};
  const figure = { scenario: `stream ${share * 100} %`, unit: 'members/s' };
  return [
    { ...figure, what: 'page queries alone', value: (expected / median(ms.alone)) * 1000 },
    { ...figure, what: 'StreamMembers, client counts bytes', value: (expected / median(ms.bytes)) * 1000 },
    { ...figure, what: 'StreamMembers, client decodes', value: (expected / median(ms.decoded)) * 1000 },
    { ...figure, what: 'StreamMembers (bytes) / page queries', value: ratio, unit: '', ...goal },
  ];
}

/** The members as the stored identities say. */
async function readMembers({ database, environment }: World, share: number): Promise<OrdinalSet> {
  const set = new OrdinalSet();
  const rows = database.sql<{ id: number }[]>`
    select id from identity
    where environment_id = ${environment.id} and deleted_revision is null and (traits->>${SCORE})::int < ${share * SCORES}`;
  for await (const batch of rows.cursor(10_000)) set.addAll(batch.map(({ id }) => id));
  return set;
}

async function readAlone({ database, environment }: World, set: OrdinalSet): Promise<number> {
  let members = 0;
  const request = {
    set,
    revision: 0,
    after: -1,
    limit: set.size,
    includeTraits: false,
    signal: new AbortController().signal,
  };
  for await (const page of readPages(database, environment.id, request)) members += page.ordinals.length;
  return members;
}

async function streamDecoded(address: string, key: string): Promise<number> {
  const client = new RollcallClient({ address, timeoutMs: 600_000, signal: new AbortController().signal });
  const selector = { environment: ENVIRONMENT, target: { case: 'segment', value: key } } as const;
  let members = 0;
  try {
    for await (const message of client.stream(MembershipService.method.streamMembers, { selector }))
      members += message.members.length;
    return members;
  } finally {
    client.close();
  }
}
