import { ErrorReason } from '../../gen/rollcall/v1/error_reason_pb.js';
import { type Backfill, BackfillState, BackfillUnit, type SkippedRow } from '../../gen/rollcall/v1/index_service_pb.js';
import { formatBytes, formatCount, formatSeconds, formatThings, timeText } from '../format.js';
import type { Json } from '../json.js';
import { dim, green, red } from '../style.js';
import { formatTable, printable } from '../table.js';

export function backfillJson(backfill: Backfill): Json {
  const { id, environment, source, first, sweeps, baseRevision, requestedBy, position, total, unit, error } = backfill;
  return {
    ...{ id, environment, source, state: BackfillState[backfill.state], first, sweeps, baseRevision, requestedBy },
    startedAt: timeText(backfill.startedAt),
    updatedAt: timeText(backfill.updatedAt),
    finishedAt: timeText(backfill.finishedAt),
    identitiesRead: backfill.identitiesRead,
    identitiesChanged: backfill.identitiesChanged,
    identitiesSwept: backfill.identitiesSwept,
    rowsSkipped: backfill.rowsSkipped,
    skipped: backfill.skipped.map(skippedJson),
    ...{ position, total, unit: unit === BackfillUnit.UNSPECIFIED ? undefined : BackfillUnit[unit] },
    identitiesPerSecond: backfill.identitiesPerSecond,
    etaSeconds: backfill.etaSeconds,
    error: error === '' ? undefined : error,
    resumed: backfill.resumed,
  };
}

function skippedJson({ place, identifier, reason, explanation }: SkippedRow): Json {
  return { place, identifier, reason: ErrorReason[reason], explanation };
}

/** One backfill in a few lines, for people. */
export function describeBackfill(backfill: Backfill): string {
  const { id, environment, source, state, error, rowsSkipped, resumed, skipped } = backfill;
  const name = `backfill ${id} of ${printable(environment)} from ${printable(source)}`;
  const again = resumed === 0 ? '' : `, resumed ${resumed === 1 ? 'once' : `${formatCount(resumed)} times`}`;
  const lines = [`${markOf(state)} ${name}: ${stateText(state)}${again}`, `  ${countsOf(backfill)}`];
  const pace = paceOf(backfill);
  if (pace !== '') lines.push(`  ${pace}`);
  if (error !== '') lines.push(`  ${red(printable(error))}`);
  if (rowsSkipped > 0n) lines.push(`  ${red(`${formatThings(rowsSkipped, 'row')} skipped`)}`);
  for (const row of skipped) lines.push(dim(`    ${printable(row.place)}: ${printable(row.explanation)}`));
  return lines.join('\n');
}

function countsOf({ identitiesRead, identitiesChanged, identitiesSwept }: Backfill): string {
  const read = formatThings(identitiesRead, 'identity', 'identities');
  return `${read} read, ${formatCount(identitiesChanged)} changed, ${formatCount(identitiesSwept)} removed`;
}

/** How far it is, how fast, and how long it will take: what is known of that. */
function paceOf(backfill: Backfill): string {
  const { state, identitiesPerSecond, etaSeconds } = backfill;
  const parts = [progressText(backfill), `${formatCount(Math.round(identitiesPerSecond))} identities/s`];
  if (state === BackfillState.RUNNING && etaSeconds !== undefined) parts.push(etaText(etaSeconds));
  return parts.filter((part) => part !== '').join(', ');
}

/** `42 % of 1,000,000`; empty where that is not known, or was an estimate of what is done. */
function progressText({ state, position, total, unit }: Backfill): string {
  if (state === BackfillState.DONE || position === undefined || total === undefined || total === 0n) return '';
  const share = Math.min(100, (Number(position) / Number(total)) * 100).toFixed(0);
  return `${share} % of ${unit === BackfillUnit.BYTES ? formatBytes(Number(total)) : formatCount(total)}`;
}

export function etaText(seconds: number): string {
  return `${formatSeconds(seconds)} left`;
}

export function backfillTable(backfills: readonly Backfill[]): string {
  const titles = ['id', 'state', 'source', 'began', 'ended', 'read', 'changed', 'removed', 'skipped', 'error'];
  const columns = titles.map((title, index) => ({
    title,
    align: index === 0 || (index > 4 && index < 9) ? ('right' as const) : ('left' as const),
  }));
  return formatTable(
    columns,
    backfills.map((backfill) => [
      String(backfill.id),
      stateText(backfill.state),
      printable(backfill.source),
      timeText(backfill.startedAt) ?? '',
      timeText(backfill.finishedAt) ?? dim('–'),
      ...[backfill.identitiesRead, backfill.identitiesChanged, backfill.identitiesSwept, backfill.rowsSkipped].map(
        formatCount,
      ),
      printable(backfill.error),
    ]),
  );
}

function stateText(state: BackfillState): string {
  return BackfillState[state].toLowerCase();
}

function markOf(state: BackfillState): string {
  if (state === BackfillState.RUNNING) return '…';
  return state === BackfillState.DONE ? green('✓') : red('✗');
}
