import { stat } from 'node:fs/promises';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { ensureEnvironment } from '../ensure-environment.js';
import { exportMembers } from '../export/export-members.js';
import { memberFormat } from '../export/member-format.js';
import { formatBytes, formatDuration, formatRate, formatThings } from '../format.js';
import { applyChanges } from '../import/apply-rows.js';
import type { OutgoingChange } from '../import/encode-change.js';
import type { Progress } from '../progress.js';
import { showsProgress, startProgress } from '../progress.js';
import { putList } from '../put-list.js';
import { putSegment, waitTillBuilt } from '../put-segment.js';
import { bold, cyan, dim } from '../style.js';
import { applyLive, askQueries } from './ask-queries.js';
import type { Demo, DemoOptions } from './demo.js';
import { ENVIRONMENT, stored } from './demo.js';
import { type DemoTopic, openDemoTopic } from './demo-broker.js';
import { emptyDemoFolder } from './demo-folder.js';
import { DEMO_SEGMENTS, LIST_NAME } from './demo-segments.js';
import type { DemoScreen } from './demo-screen.js';
import { createDemoScreen } from './demo-screen.js';
import { produceLive } from './kafka-changes.js';
import type { Person } from './population.js';
import { population } from './population.js';

const TIMEOUT_SECONDS = 120;

/** Shows everything once, on an embedded database in a folder of its own that is made anew. */
export async function runDemo(context: CommandContext, options: DemoOptions): Promise<void> {
  const startedAt = performance.now();
  const screen = createDemoScreen(context);
  await emptyDemoFolder(options.dataDirectory);
  const topic = options.kafka === true ? await openDemoTopic(context) : undefined;
  try {
    await showAll(context, options, { screen, topic });
  } finally {
    await topic?.close();
  }
  await sayWhatNext(screen, options, performance.now() - startedAt);
}

async function showAll(
  context: CommandContext,
  options: DemoOptions,
  { screen, topic }: { readonly screen: DemoScreen; readonly topic: DemoTopic | undefined },
): Promise<void> {
  await screen.line();
  await context.output.line(
    `${bold('Rollcall')} knows who is in which segment. ${dim('Its own PostgreSQL is starting …')}`,
  );
  const { DATABASE_URL: _ignored, ...env } = context.env;
  await withClient(
    { ...context, env: { ...env, ...topic?.env } },
    { dataDirectory: options.dataDirectory, timeout: TIMEOUT_SECONDS, isFed: topic !== undefined },
    async (client) => {
      const demo = { context, client, screen, options };
      await loadPopulation(demo);
      await writeSegments(demo);
      await askQueries(demo);
      await (topic === undefined ? applyLive(demo) : produceLive(demo, topic));
      await exportSegment(demo);
    },
  );
}

async function loadPopulation(demo: Demo): Promise<void> {
  const { client, screen, options } = demo;
  await screen.heading('Identities go in', 'made up from a seed; each has 9 to 12 typed traits');
  await ensureEnvironment(client, ENVIRONMENT, 'allotted');
  const startedAt = performance.now();
  const { applied, revision = 0n } = await withProgress(demo, 'Loading', options.identities, async (progress) => {
    let done = 0;
    return applyChanges(client, upserts(population(options.seed, options.identities)), (changes) =>
      progress.update((done += changes)),
    );
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
  await screen.done(
    `${DEMO_SEGMENTS.length} segments, built and ready in ${formatDuration(performance.now() - startedAt)}`,
  );
}

async function exportSegment(demo: Demo): Promise<void> {
  const { client, context, screen, options } = demo;
  await screen.heading(
    'Everyone',
    'StreamMembers to a file, resumable after every message, checked by count and CRC32C',
  );
  const path = `${options.dataDirectory}/launch.ndjson`;
  const format = memberFormat({ format: 'ndjson', traits: false, columns: [] });
  const startedAt = performance.now();
  const { members } = await withProgress(demo, 'Streaming', undefined, (progress) =>
    exportMembers(context, client, { path, format, request: { selector: stored('launch') } }, progress),
  );
  const elapsedMs = performance.now() - startedAt;
  const { size } = await stat(path);
  await screen.done(
    `${formatThings(members, 'member')} to ${path} (${formatBytes(size)}) in ${formatDuration(elapsedMs)} (${formatRate(members, elapsedMs)})`,
  );
}

async function sayWhatNext(
  screen: DemoScreen,
  { dataDirectory: directory }: DemoOptions,
  elapsedMs: number,
): Promise<void> {
  await screen.heading(
    'What next',
    `all of this took ${formatDuration(elapsedMs)}; the data stays in ${directory} until the next demo`,
  );
  const tries = [
    [
      `npx rollcall serve --segment-membership-enabled --data-directory ${directory}`,
      'serve it; then, in another terminal:',
    ],
    [`npx rollcall count growth --data-directory ${directory}`, 'ask from the command line'],
    [`npx rollcall export lottery - --format csv --columns plan,country --data-directory ${directory} | head`, ''],
    ['npx rollcall import people.csv', 'your own identities, in .rollcall'],
    ['npx rollcall --help', 'all the rest'],
  ] as const;
  for (const [command, explanation] of tries)
    await screen.line(`${cyan(command)}${explanation === '' ? '' : dim(`   ${explanation}`)}`);
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

function* upserts(people: Iterable<Person>): Generator<OutgoingChange> {
  for (const { identifier, traits } of people) yield { environment: ENVIRONMENT, identifier, kind: 'upsert', traits };
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
