import { MembershipService } from '../../gen/rollcall/v1/membership_service_pb.js';
import { formatExplainTree } from '../explain-tree.js';
import { formatCount, formatDuration } from '../format.js';
import { applyChanges } from '../import/apply-rows.js';
import { bold, dim, mark } from '../style.js';
import type { Demo } from './demo.js';
import { ENVIRONMENT, stored } from './demo.js';
import { DEMO_SEGMENTS } from './demo-segments.js';
import { liveChanges } from './live-changes.js';
import { population } from './population.js';

/** Counts every segment, then asks about members. */
export async function askQueries(demo: Demo): Promise<void> {
  await countAll(demo);
  await askAboutMembers(demo);
}

async function countAll({ client, screen }: Demo): Promise<void> {
  await screen.heading('How many?', 'Count: set algebra over bitmaps in memory; the time is that of the whole call');
  for (const { key, shows } of DEMO_SEGMENTS) {
    await screen.query(
      `Count ${key}`,
      () => client.call(MembershipService.method.count, { selector: stored(key) }),
      ({ count }) => `${bold(formatCount(count).padStart(7))}  ${dim(shows)}`,
    );
  }
}

async function askAboutMembers({ client, screen }: Demo): Promise<void> {
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

/** Applies changes, and counts at each revision that they reach. */
export async function applyLive({ client, screen, options }: Demo): Promise<void> {
  await screen.heading('Changes arrive', 'upgrades, moves, deletions; each answer is of one revision, none is stale');
  const count = (freshness: bigint) =>
    client.call(MembershipService.method.count, {
      selector: stored('growth'),
      freshness: { level: { case: 'atLeastRevision', value: freshness } },
    });
  for (const { name, changes } of liveChanges(
    ENVIRONMENT,
    population(options.seed, Math.min(options.identities, 6_000)),
  )) {
    const startedAt = performance.now();
    const { revision = 0n } = await applyChanges(client, changes);
    const time = formatDuration(performance.now() - startedAt);
    await screen.done(`${formatCount(changes.length)} ${name}, in ${time}, revision ${revision}`);
    await screen.query(
      'Count growth, at that revision',
      () => count(revision),
      (answer) => bold(formatCount(answer.count)),
    );
  }
}
