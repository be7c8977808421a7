import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ActiveBackfill } from '../../storage/backfill-summaries.js';
import type { Backfill } from '../../storage/backfills.js';
import { progressOf } from '../messages/backfill-messages.js';

/** What is measured of backfills. */
export interface BackfillMetrics {
  /** To be told how far this process brought a backfill, as it was taken up and as it is. */
  readonly onRan: (before: Backfill, after: Backfill) => void;
  /** Sets what is true of those that run or have failed now, whichever process runs them; undefined where the database does not answer. */
  readonly show: (active: readonly ActiveBackfill[] | undefined) => void;
}

/** Backfills with lines of their own: the newest. */
export const MAX_SHOWN_BACKFILLS = 100;

const SECONDS = [1, 5, 15, 60, 300, 900, 3_600, 10_800, 43_200, 172_800];

export function createBackfillMetrics(registry: Registry): BackfillMetrics {
  const registers = [registry];
  return { onRan: createEndCounters(registers), show: createActiveGauges(registers) };
}

function createEndCounters(registers: Registry[]): BackfillMetrics['onRan'] {
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const read = counter('rollcall_backfill_identities_read_total', 'Identities that backfills of this process read');
  const changed = counter('rollcall_backfill_identities_changed_total', 'Of these the ones created or changed');
  const swept = counter(
    'rollcall_backfill_identities_swept_total',
    'Identities removed as their source has them no more',
  );
  const skipped = counter('rollcall_backfill_rows_skipped_total', 'Rows of sources that could not be taken');
  const ends = new Counter({
    name: 'rollcall_backfills_total',
    help: 'Backfills that ended in this process, by how and why',
    labelNames: ['outcome', 'reason'] as const,
    registers,
  });
  const seconds = new Histogram({
    name: 'rollcall_backfill_seconds',
    help: 'How long backfills took that this process completed, from their beginning',
    buckets: SECONDS,
    registers,
  });
  return (before, after) => {
    read.inc(after.identitiesRead - before.identitiesRead);
    changed.inc(after.identitiesChanged - before.identitiesChanged);
    swept.inc(after.identitiesSwept - before.identitiesSwept);
    skipped.inc(after.rowsSkipped - before.rowsSkipped);
    if (after.state === 'running') return;
    ends.inc({ outcome: after.state, reason: after.errorReason });
    if (after.state === 'done' && after.finishedAt !== null)
      seconds.observe((after.finishedAt.getTime() - after.startedAt.getTime()) / 1000);
  };
}

/** A gauge of active backfills with the value that each has; none where it is not known. */
type ActiveGauge = readonly [name: string, help: string, valueOf: (active: ActiveBackfill) => number | undefined];

const ACTIVE_GAUGES: readonly ActiveGauge[] = [
  [
    'rollcall_backfill_running',
    '1 while it runs, 0 while it has failed and can be resumed',
    ({ state }) => Number(state === 'running'),
  ],
  ['rollcall_backfill_progress', 'How much of the source is read, 0 to 1', progressOf],
  ['rollcall_backfill_identities_read', 'Identities read so far', ({ identitiesRead }) => identitiesRead],
  [
    'rollcall_backfill_identities_changed',
    'Identities created or changed so far',
    ({ identitiesChanged }) => identitiesChanged,
  ],
  ['rollcall_backfill_identities_swept', 'Identities removed so far', ({ identitiesSwept }) => identitiesSwept],
  ['rollcall_backfill_rows_skipped', 'Rows that could not be taken so far', ({ rowsSkipped }) => rowsSkipped],
];

function createActiveGauges(registers: Registry[]): BackfillMetrics['show'] {
  const gauges = ACTIVE_GAUGES.map(([name, help, valueOf]) => ({
    gauge: new Gauge({
      name,
      help: `${help}, of the backfills that run or have failed`,
      labelNames: ['environment'] as const,
      registers,
    }),
    valueOf,
  }));
  return (active) => {
    for (const { gauge, valueOf } of gauges) {
      gauge.reset();
      for (const one of active ?? []) {
        const value = valueOf(one);
        if (value !== undefined) gauge.set({ environment: one.environmentKey }, value);
      }
    }
  };
}
