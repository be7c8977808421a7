import type {
  AtomStatus,
  Backfill,
  EnvironmentStatus,
  GetStatusResponse,
} from '../../gen/rollcall/v1/index_service_pb.js';
import { AtomState, BackfillState, EnvironmentState, IndexService } from '../../gen/rollcall/v1/index_service_pb.js';
import { backfillJson, describeBackfill } from '../backfill/show-backfill.js';
import { clientCommand } from '../base-commands.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { formatBytes, formatCount, formatThings, timeText } from '../format.js';
import { feedJson, writeFeed } from '../feed-status.js';
import type { Json } from '../json.js';
import { bold, dim, red } from '../style.js';
import { formatTable, printable } from '../table.js';

const EXAMPLES = ['rollcall status', 'rollcall status --environment default --atoms'];

export function statusCommand(context: CommandContext) {
  return clientCommand('status', EXAMPLES)
    .description('the state of the index')
    .option('--environment <key>', 'only this environment', '')
    .option('--atoms', 'with each atom')
    .action(async ({ environment, atoms: includeAtoms = false, ...options }) => {
      const request = { environment, includeAtoms };
      const status = await withClient(context, options, (client) =>
        client.call(IndexService.method.getStatus, request),
      );
      if (options.json === true) return context.output.json(statusJson(status, includeAtoms));
      await writeStatus(context, status);
    });
}

async function writeStatus(context: CommandContext, { environments, feed }: GetStatusResponse): Promise<void> {
  await writeEnvironments(context, environments);
  if (feed !== undefined) await writeFeed(context, feed);
}

async function writeEnvironments(
  { output }: CommandContext,
  environments: readonly EnvironmentStatus[],
): Promise<void> {
  if (environments.length === 0) return output.line('There is no environment yet: rollcall import creates one.');
  const titles = [
    'environment',
    'state',
    'identities',
    'revision',
    'atoms',
    'building',
    'log revisions',
    'log',
    'as of',
  ];
  const columns = titles.map((title, index) => ({
    title,
    align: index < 2 || index === 8 ? ('left' as const) : ('right' as const),
  }));
  await output.line(formatTable(columns, environments.map(environmentRow)));
  for (const { environment, stateReason } of environments.filter(({ stateReason }) => stateReason !== ''))
    await output.line(red(`${printable(environment)}: ${printable(stateReason)}`));
  for (const { backfill } of environments) if (isWorthShowing(backfill)) await output.line(describeBackfill(backfill));
  for (const { environment, atoms } of environments.filter((one) => one.atoms.length > 0)) {
    await output.line(`\n${bold(printable(environment))}`);
    await output.line(atomTable(atoms));
  }
  for (const { environment, quarantinedIdentities, quarantined } of environments.filter(isQuarantined)) {
    const first = quarantined.map(({ identifier }) => printable(identifier)).join(', ');
    const count = formatThings(quarantinedIdentities, 'identity', 'identities');
    await output.line(red(`${printable(environment)}: ${count} quarantined, a change was skipped: ${first}`));
  }
}

/** One that is done is history: `rollcall backfill list` has it. */
function isWorthShowing(backfill: Backfill | undefined): backfill is Backfill {
  return backfill?.state === BackfillState.RUNNING || backfill?.state === BackfillState.FAILED;
}

function isQuarantined({ quarantinedIdentities }: EnvironmentStatus): boolean {
  return quarantinedIdentities > 0n;
}

function environmentRow(status: EnvironmentStatus): string[] {
  return [
    printable(status.environment),
    EnvironmentState[status.state].toLowerCase(),
    formatCount(status.identities),
    formatCount(status.revision),
    formatCount(status.atomsReady),
    formatCount(status.atomsBuilding),
    formatCount(status.logRevisions),
    formatBytes(Number(status.logBytes)),
    timeText(status.asOf) ?? dim('–'),
  ];
}

function atomTable(atoms: readonly AtomStatus[]): string {
  return formatTable(
    [
      { title: 'atom', align: 'right' },
      { title: 'state' },
      { title: 'identities', align: 'right' },
      { title: 'chunks', align: 'right' },
      { title: 'definition' },
    ],
    atoms.map(({ id, state, progress, cardinality, chunks, definition }) => [
      String(id),
      state === AtomState.READY ? 'ready' : `building ${(progress * 100).toFixed(0)} %`,
      formatCount(cardinality),
      formatCount(chunks),
      printable(definition),
    ]),
  );
}

function statusJson({ environments, totals, feed }: GetStatusResponse, includeAtoms: boolean): Json {
  return {
    environments: environments.map((status) => ({
      environment: status.environment,
      state: EnvironmentState[status.state],
      stateReason: status.stateReason === '' ? undefined : status.stateReason,
      backfill: status.backfill === undefined ? undefined : backfillJson(status.backfill),
      identities: status.identities,
      revision: status.revision,
      catalogRevision: status.catalogRevision,
      asOf: timeText(status.asOf),
      logRevisions: status.logRevisions,
      logBytes: status.logBytes,
      atomsReady: status.atomsReady,
      atomsBuilding: status.atomsBuilding,
      atoms: includeAtoms ? status.atoms.map(atomJson) : undefined,
      quarantinedIdentities: status.quarantinedIdentities,
      quarantined: status.quarantined.map(({ identifier, quarantinedAt }) => ({
        identifier,
        quarantinedAt: timeText(quarantinedAt),
      })),
    })),
    totals: totals === undefined ? undefined : totalsJson(totals),
    feed: feed === undefined ? undefined : feedJson(feed),
  };
}

function atomJson(atom: AtomStatus): Json {
  const { id, definition, state, progress, chunks, cardinality, baseRevision } = atom;
  return { id, definition, state: AtomState[state], progress, chunks, cardinality, baseRevision };
}

function totalsJson({
  environments,
  identities,
  atomsReady,
  atomsBuilding,
  logBytes,
}: NonNullable<GetStatusResponse['totals']>): Json {
  return { environments, identities, atomsReady, atomsBuilding, logBytes };
}
