import { stat } from 'node:fs/promises';
import { MembershipService } from '../../gen/rollcall/v1/membership_service_pb.js';
import type { RollcallClient } from '../client.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { ensureEnvironment } from '../ensure-environment.js';
import { formatExplainTree } from '../explain-tree.js';
import { exportMembers } from '../export/export-members.js';
import { memberFormat } from '../export/member-format.js';
import { formatBytes, formatCount, formatDuration, formatRate, formatThings } from '../format.js';
import type { ChangeInit } from '../import/apply-rows.js';
import { applyChanges } from '../import/apply-rows.js';
import type { Progress } from '../progress.js';
import { showsProgress, startProgress } from '../progress.js';
import { putList } from '../put-list.js';
import { putSegment, waitTillBuilt } from '../put-segment.js';
import { bold, cyan, dim, mark } from '../style.js';
import { traitMessages } from '../trait-messages.js';
import { emptyDemoFolder } from './demo-folder.js';
import { DEMO_SEGMENTS, LIST_NAME } from './demo-segments.js';
import type { DemoScreen } from './demo-screen.js';
import { createDemoScreen } from './demo-screen.js';
import { liveChanges } from './live-changes.js';
import type { Person } from './population.js';
import { population } from './population.js';

export interface DemoOptions {
  readonly identities: number;
  readonly seed: number;
  readonly directory: string;
  readonly progress?: boolean;
}

interface Demo {
  readonly context: CommandContext;
  readonly client: RollcallClient;
  readonly screen: DemoScreen;
  readonly options: DemoOptions;
}

const ENVIRONMENT = 'default';
const TIMEOUT_SECONDS = 120;

/** Shows everything once, on an embedded database in a folder of its own that is made anew. */
export async function runDemo(context: CommandContext, options: DemoOptions): Promise<void> {
  const startedAt = performance.now();
  const screen = createDemoScreen(context);
  await emptyDemoFolder(options.directory);
  await screen.line();
  await context.output.line(`${bold('Rollcall')} knows who is in which segment. ${dim('Its own PostgreSQL is starting …')}`);
  const { DATABASE_URL: _ignored, ...env } = context.env;
  await withClient({ ...context, env }, { dataDirectory: options.directory, timeout: TIMEOUT_SECONDS }, async (client) => {
    const demo = { context, client, screen, options };
    await loadPopulation(demo);
    await writeSegments(demo);
    await askQueries(demo);
    await applyLive(demo);
    await exportSegment(demo);
  });
  await sayWhatNext(screen, options, performance.now() - startedAt);
}

async function loadPopulation(demo: Demo): Promise<void> {
  const { client, screen, options } = demo;
  await screen.heading('Identities go in', 'made up from a seed; each has 9 to 12 typed traits');
  await ensureEnvironment(client, ENVIRONMENT, 'allotted');
  const startedAt = performance.now();
  const { applied, revision = 0n } = await withProgress(demo, 'Loading', options.identities, async (progress) => {
    let done = 0;
    return applyChanges(client, upserts(population(options.seed, options.identities)), (changes) => progress.update((done += changes)));
  });
  const elapsedMs = performance.now() - startedAt;
  await screen.done(
    `${formatThings(applied, 'identity', 'identities')} in ${formatDuration(elapsedMs)} (${formatRate(Number(applied), elapsedMs)}), revision ${revision}`,
  );
}

async function writeSegments(demo: Demo): Promise<void> {
  const { client, context, screen, options } = demo;
  await screen.heading('Segments are written', 'rules become atoms, one bitmap each; equal conditions share one');
  const startedAt = performance.now();
  await putList(client, { project: 'default', name: LIST_NAME }, winners(options));
  await withProgress(demo, 'Building', DEMO_SEGMENTS.length, async (progress) => {
    for (const { key, definition } of DEMO_SEGMENTS) await putSegment(client, { project: 'default', key }, definition);
    for (const [index, { key }] of DEMO_SEGMENTS.entries()) {
      const wait = { environment: ENVIRONMENT, timeout: TIMEOUT_SECONDS };
      await waitTillBuilt(context, client, key, wait, (share) => progress.update(index + share));
      progress.update(index + 1);
    }
  });
  await screen.done(`${DEMO_SEGMENTS.length} segments, built and ready in ${formatDuration(performance.now() - startedAt)}`);
}

async function askQueries(demo: Demo): Promise<void> {
  const { client, screen } = demo;
  await screen.heading('How many?', 'Count: set algebra over bitmaps in memory; the time is that of the whole call');
  for (const { key, shows } of DEMO_SEGMENTS) {
    await screen.query(
      `Count ${key}`,
      () => client.call(MembershipService.method.count, { selector: stored(key) }),
      ({ count }) => `${bold(formatCount(count).padStart(7))}  ${dim(shows)}`,
    );
  }
  await screen.heading('Who?', 'some of them, a page of them, whether one is in, and why');
  const { members } = await screen.query(
    'Sample growth, size 3',
    () => client.call(MembershipService.method.sample, { selector: stored('growth'), size: 3, seed: 7n }),
    (answer) => answer.members.map(({ identifier }) => identifier).join(', '),
  );
  await screen.query(
    'ListMembers launch, query "ada"',
    () => client.call(MembershipService.method.listMembers, { selector: stored('launch'), pageSize: 3, query: 'ada' }),
    (answer) => `${answer.members.map(({ identifier }) => identifier).join(', ')} …`,
  );
  const identifier = members[0]?.identifier ?? 'nobody';
  const identity = { identity: { case: 'identifier', value: identifier } } as const;
  await screen.query(
    `CheckMembership ${identifier}`.slice(0, 33),
    () => client.call(MembershipService.method.checkMembership, { environment: ENVIRONMENT, identity, segments: [] }),
    ({ results }) => results.map(({ segment, outcome }) => `${mark(outcome.value === true)} ${segment}`).join('  '),
  );
  const { root } = await screen.query(
    'Explain european-growth',
    () => client.call(MembershipService.method.explain, { selector: stored('european-growth'), identity }),
    ({ member }) => `${member ? 'a member' : 'no member'}, because:`,
  );
  if (root !== undefined) await screen.line(`\n${formatExplainTree(root)}`.replaceAll('\n', '\n     '));
}

async function applyLive({ client, screen, options }: Demo): Promise<void> {
  await screen.heading('Changes arrive', 'upgrades, moves, deletions; each answer is of one revision, none is stale');
  const count = (freshness: bigint) =>
    client.call(MembershipService.method.count, {
      selector: stored('growth'),
      freshness: { level: { case: 'atLeastRevision', value: freshness } },
    });
  for (const { name, changes } of liveChanges(ENVIRONMENT, population(options.seed, Math.min(options.identities, 6_000)))) {
    const startedAt = performance.now();
    const { applied, revision = 0n } = await applyChanges(client, changes);
    const time = formatDuration(performance.now() - startedAt);
    await screen.done(`${name}: ${formatCount(applied)} changes in ${time}, revision ${revision}`);
    await screen.query('Count growth, at that revision', () => count(revision), (answer) => bold(formatCount(answer.count)));
  }
}

async function exportSegment(demo: Demo): Promise<void> {
  const { client, context, screen, options } = demo;
  await screen.heading('Everyone', 'StreamMembers to a file, resumable after every message, checked by count and CRC32C');
  const path = `${options.directory}/launch.ndjson`;
  const format = memberFormat({ format: 'ndjson', traits: true, columns: [] });
  const startedAt = performance.now();
  const { members } = await withProgress(demo, 'Streaming', undefined, (progress) =>
    exportMembers(context, client, { path, format, request: { selector: stored('launch') } }, progress),
  );
  const elapsedMs = performance.now() - startedAt;
  const { size } = await stat(path);
  await screen.done(
    `${formatThings(members, 'member')} with their traits to ${path} (${formatBytes(size)}) in ${formatDuration(elapsedMs)} (${formatRate(members, elapsedMs)})`,
  );
}

async function sayWhatNext(screen: DemoScreen, { directory }: DemoOptions, elapsedMs: number): Promise<void> {
  await screen.heading('What next', `all of this took ${formatDuration(elapsedMs)}; the data stays in ${directory} until the next demo`);
  const tries = [
    [`npx rollcall serve --data-directory ${directory}`, 'serve it; then, in another terminal:'],
    [`npx rollcall count growth --data-directory ${directory}`, 'ask from the command line'],
    [`npx rollcall export lottery - --format csv --columns plan,country --data-directory ${directory} | head`, ''],
    ['npx rollcall import people.csv', 'your own identities, in .rollcall'],
    ['npx rollcall --help', 'all the rest'],
  ] as const;
  for (const [command, explanation] of tries) await screen.line(`${cyan(command)}${explanation === '' ? '' : dim(`   ${explanation}`)}`);
}

async function withProgress<Result>(
  { options }: Demo,
  label: string,
  total: number | undefined,
  work: (progress: Progress) => Promise<Result>,
): Promise<Result> {
  const progress = startProgress(showsProgress(options), total === undefined ? { label } : { label, total });
  try {
    return await work(progress);
  } finally {
    progress.stop();
  }
}

function stored(key: string) {
  return { environment: ENVIRONMENT, target: { case: 'segment', value: key } } as const;
}

function* upserts(people: Iterable<Person>): Generator<ChangeInit> {
  for (const { identifier, traits } of people) {
    yield { environmentKey: ENVIRONMENT, identifier, change: { case: 'upsert', value: { traits: traitMessages(traits) } } };
  }
}

const WINNERS = 10_000;

function* winners({ seed, identities }: DemoOptions): Generator<string> {
  const every = Math.max(1, Math.floor(identities / WINNERS));
  let position = 0;
  for (const { identifier } of population(seed, identities)) {
    if (position % every === 0) yield identifier;
    position += 1;
  }
}
