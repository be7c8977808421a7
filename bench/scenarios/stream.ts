import { forgetPeak, type Usage, usageOf } from '../measure/resources.js';
import { withServer } from '../measure/server-process.js';
import { median, percentile } from '../measure/statistics.js';
import type { Streamed } from '../measure/stream-calls.js';
import { withStreamClient, withStreamPeer } from '../measure/stream-processes.js';
import type { Figure } from '../report/figures.js';
import { DENSITIES } from '../world/segments.js';
import type { World } from '../world/world.js';
import { readMembers } from './stream-pages.js';
import { type Callers, type Segment, type Side, sidesOf, WHAT } from './stream-sides.js';

const GOAL_PAGES = 0.9;
const GOAL_PAGES_UP_TO = 0.1;
const GOAL_COPY = 0.5;
const GOAL_FIRST_MS = 10;
/** Of the peak memory of a stream of everyone, as a multiple of that of the least dense segment whose stream is long. */
const GOAL_MEMORY = 1.25;
const LONG_SHARE = 0.1;
/** Of one side of one segment: then no more rounds. */
const BUDGET_MS = 1_500;
/** What is over sooner is repeated within its round: a single short call tells of the clock and of cold code. */
const ROUND_MS = 200;

/** What each side took, round by round; for those of StreamMembers also what the server used in the rounds. */
interface Measured {
  readonly streams: Pick<Streamed, 'members' | 'ms' | 'firstMs'>[];
  serverSeconds: number;
  postgresSeconds: number;
}

/** StreamMembers to clients that count bytes and that decode, against its own page queries, `COPY`, an SQL cursor and prepared messages. */
export async function streamScenario(world: World, rounds: number): Promise<Figure[]> {
  return withServer(world.url, (address, pid) =>
    withStreamClient(address, (rollcall) =>
      withStreamPeer('cursor-server', world.url, (cursor) =>
        withStreamPeer('prepared-server', '', async (prepared) => {
          const figures: Figure[] = [];
          for (const { key, share } of DENSITIES) {
            const segment = { key, share, set: await readMembers(world, share) };
            figures.push(...(await measureSegment(world, segment, { rollcall, cursor, prepared }, pid, rounds)));
            segment.set.dispose();
          }
          return [...figures, ...memoryFigure(figures)];
        }),
      ),
    ),
  );
}

async function measureSegment(
  world: World,
  segment: Segment,
  callers: Callers,
  pid: number,
  rounds: number,
): Promise<Figure[]> {
  const sides = sidesOf(world, segment, callers);
  for (const side of sides) await measureOnce(world, side, pid, new Map());
  await forgetPeak(pid);
  const measured = new Map<string, Measured>();
  for (let round = 0; round < rounds; round++) for (const side of sides) await measureOnce(world, side, pid, measured);
  const usage = await usageOf(pid);
  return figuresOf(segment, measured, usage);
}

async function measureOnce(world: World, side: Side, pid: number, measured: Map<string, Measured>): Promise<void> {
  const before = measured.get(side.what) ?? { streams: [], serverSeconds: 0, postgresSeconds: 0 };
  measured.set(side.what, before);
  if (before.streams.reduce((sum, { ms }) => sum + ms, 0) > BUDGET_MS) return;
  const pids = await backendsOf(world);
  const [server, postgres] = [await secondsOf([pid]), await secondsOf(pids)];
  const start = performance.now();
  do before.streams.push(await side.run());
  while (!world.isSmoke && performance.now() - start < ROUND_MS);
  before.serverSeconds += (await secondsOf([pid])) - server;
  before.postgresSeconds += (await secondsOf(pids)) - postgres;
}

/** The processes of Postgres that serve the server. */
async function backendsOf({ database }: World): Promise<number[]> {
  const rows = await database.sql<{ pid: number }[]>`
    select pid from pg_stat_activity where application_name = 'rollcall' and backend_type = 'client backend'`;
  return rows.map(({ pid }) => pid);
}

async function secondsOf(pids: readonly number[]): Promise<number> {
  const usages = await Promise.all(pids.map(usageOf));
  return usages.reduce((sum, usage) => sum + (usage?.cpuSeconds ?? 0), 0);
}

function figuresOf({ share }: Segment, measured: Map<string, Measured>, usage: Usage | undefined): Figure[] {
  const scenario = scenarioOf(share);
  const rates = [...measured].map(([what, { streams }]) => rateFigure(scenario, what, streams));
  const rateOf = (what: string): number => rates.find((figure) => figure.what === what)?.value ?? NaN;
  const bytes = measured.get(WHAT.bytes);
  if (bytes === undefined) return rates;
  const toPages = rateOf(WHAT.bytes) / rateOf(WHAT.pages);
  const toCopy = rateOf(WHAT.bytes) / rateOf(WHAT.copy);
  const firstMs = bytes.streams.map((stream) => stream.firstMs);
  const million = bytes.streams.reduce((sum, { members }) => sum + members, 0) / 1e6;
  return [
    ...rates,
    {
      scenario,
      what: 'StreamMembers (bytes) / page queries one at a time',
      value: toPages,
      unit: '',
      ...(share <= GOAL_PAGES_UP_TO ? { goal: `≥ ${GOAL_PAGES}`, isReached: toPages >= GOAL_PAGES } : {}),
    },
    {
      scenario,
      what: 'StreamMembers (bytes) / page queries as the service asks them',
      value: rateOf(WHAT.bytes) / rateOf(WHAT.ahead),
      unit: '',
    },
    {
      scenario,
      what: 'StreamMembers (bytes) / COPY',
      value: toCopy,
      unit: '',
      ...(share === 1 ? { goal: `≥ ${GOAL_COPY}`, isReached: toCopy >= GOAL_COPY } : {}),
    },
    {
      scenario,
      what: 'first message, p50',
      value: median(firstMs),
      p99: percentile(firstMs, 0.99),
      unit: 'ms',
      goal: `≤ ${GOAL_FIRST_MS}`,
      isReached: median(firstMs) <= GOAL_FIRST_MS,
    },
    { scenario, what: 'server CPU a million members', value: bytes.serverSeconds / million, unit: 's' },
    { scenario, what: 'Postgres CPU a million members', value: bytes.postgresSeconds / million, unit: 's' },
    ...(usage === undefined ? [] : [{ scenario, what: WHAT.memory, value: usage.peakBytes / 2 ** 20, unit: 'MiB' }]),
  ];
}

/** Whether memory is flat in the size of the segment. */
function memoryFigure(figures: readonly Figure[]): Figure[] {
  const peakOf = (share: number): number =>
    figures.find(({ scenario, what }) => scenario === scenarioOf(share) && what === WHAT.memory)?.value ?? Number.NaN;
  const value = peakOf(1) / peakOf(LONG_SHARE);
  if (Number.isNaN(value)) return [];
  const what = `server peak memory, everyone / ${LONG_SHARE * 100} %`;
  return [
    { scenario: 'stream memory', what, value, unit: '', goal: `≤ ${GOAL_MEMORY}`, isReached: value <= GOAL_MEMORY },
  ];
}

function scenarioOf(share: number): string {
  return `stream ${share * 100} %`;
}

function rateFigure(scenario: string, what: string, streams: Measured['streams']): Figure {
  const rates = streams.map(({ members, ms }) => (members / ms) * 1000);
  return { scenario, what, value: median(rates), unit: 'members/s' };
}
