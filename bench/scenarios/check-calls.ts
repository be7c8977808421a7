import { deepStrictEqual } from 'node:assert/strict';
import { RollcallClient } from '../../src/cli/client.js';
import type { Person } from '../../src/cli/demo/population.js';
import { traitMessage } from '../../src/server/messages/trait-messages.js';
import { MembershipService } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { withServer } from '../measure/server-process.js';
import { median, percentile, timed } from '../measure/statistics.js';
import type { Figure } from '../report/figures.js';

const WHOLE = { warmUpCalls: 500, calls: 1_000 };
const SMOKE: typeof WHOLE = { warmUpCalls: 10, calls: 20 };
const SAMPLE_SIZE = 10;
const MS_IN_US = 1_000;

/** The calls about one identity, over gRPC, one at a time; of `people`, or where there are none of whom a sample brings. */
export async function checkCalls(
  databaseUrl: string,
  environment: string,
  people: readonly Person[] | undefined,
  what: string,
  isSmoke: boolean,
): Promise<Figure[]> {
  const { warmUpCalls, calls } = isSmoke ? SMOKE : WHOLE;
  return withServer(databaseUrl, async (address) => {
    const client = new RollcallClient({ address, timeoutMs: 60_000, signal: new AbortController().signal });
    try {
      const figures: Figure[] = [];
      for (const [name, call] of await callsOf(client, environment, people)) {
        for (let number = 0; number < warmUpCalls; number++) await call(number);
        const us: number[] = [];
        for (let number = 0; number < calls; number++) us.push((await timed(() => call(number))) * MS_IN_US);
        figures.push({
          scenario: 'check',
          what: `${what}: ${name}, over gRPC`,
          value: median(us),
          unit: 'µs',
          p99: percentile(us, 0.99),
        });
      }
      return figures;
    } finally {
      client.close();
    }
  });
}

type NamedCall = readonly [string, (number: number) => Promise<unknown>];

async function callsOf(
  client: RollcallClient,
  environment: string,
  people: readonly Person[] | undefined,
): Promise<NamedCall[]> {
  const { checkMembership, sample, explain } = MembershipService.method;
  const first = await client.call(checkMembership, {
    environment,
    identity: { identity: { case: 'inline', value: { identifier: 'nobody' } } },
  });
  const segments = first.results.map(({ segment }) => segment);
  const segment = segments[0] ?? '';
  const selector = { environment, target: { case: 'segment', value: segment } } as const;
  const identifiers = people?.map(({ identifier }) => identifier) ?? (await sampled(client, environment, segments));
  const identityOf = (number: number) =>
    ({ identity: { case: 'identifier', value: identifiers[number % identifiers.length] ?? '' } }) as const;
  const check = (number: number, some: readonly string[]) =>
    client.call(checkMembership, { environment, identity: identityOf(number), segments: [...some] });
  const stored: NamedCall[] = [
    ['CheckMembership by index of every segment', (number) => check(number, [])],
    ['CheckMembership by index of one segment', (number) => check(number, [segment])],
    [
      `Sample of ${SAMPLE_SIZE}`,
      (number) => client.call(sample, { selector, size: SAMPLE_SIZE, seed: BigInt(number) }),
    ],
    ['Explain of one segment', (number) => client.call(explain, { selector, identity: identityOf(number) })],
  ];
  if (people === undefined) return stored;
  const inline = people.map(inlineOf);
  const checkInline = (number: number, some: readonly string[]) =>
    client.call(checkMembership, { environment, identity: inline[number % inline.length] ?? {}, segments: [...some] });
  for (let number = 0; number < 200; number++) {
    const { results } = await checkInline(number, []);
    deepStrictEqual(
      results.map(({ outcome }) => outcome),
      (await check(number, [])).results.map(({ outcome }) => outcome),
      'by index and of inline traits are the same',
    );
  }
  return [
    ...stored,
    ['CheckMembership of inline traits, every segment', (number) => checkInline(number, [])],
    ['CheckMembership of inline traits, one segment', (number) => checkInline(number, [segment])],
  ];
}

function inlineOf({ identifier, traits }: Person) {
  const messages = Object.entries(traits).map(([name, value]) => [name, traitMessage(value)] as const);
  return { identity: { case: 'inline', value: { identifier, traits: Object.fromEntries(messages) } } } as const;
}

/** Members of the world's segments. */
async function sampled(client: RollcallClient, environment: string, segments: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const segment of segments) {
    const selector = { environment, target: { case: 'segment', value: segment } } as const;
    const { members } = await client.call(MembershipService.method.sample, { selector, size: 100, seed: 1n });
    found.push(...members.map(({ identifier }) => identifier));
  }
  return found;
}
