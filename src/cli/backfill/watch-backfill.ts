import { setTimeout as sleep } from 'node:timers/promises';
import { type Backfill, BackfillState, BackfillUnit, IndexService } from '../../gen/rollcall/v1/index_service_pb.js';
import { isRetryable } from '../call-errors.js';
import type { RollcallClient } from '../client.js';
import { CommandError } from '../command-error.js';
import type { CommandContext } from '../context.js';
import { type Progress, startProgress } from '../progress.js';
import { printable } from '../table.js';
import { etaText } from './show-backfill.js';

/** How a backfill is watched. */
export interface Watching {
  readonly showsProgress: boolean;
  /** Told of each state that differs from the one before. */
  readonly onChange?: (backfill: Backfill) => Promise<void>;
}

const POLL_INTERVAL_MS = 500;
/** A server that restarts goes on with its backfills. */
const MAX_SILENCE_MS = 60_000;

/** Watches a backfill till it has ended; its end. */
export async function watchBackfill(
  { signal }: CommandContext,
  client: RollcallClient,
  begun: Backfill,
  { showsProgress, onChange = () => Promise.resolve() }: Watching,
): Promise<Backfill> {
  const bar = startProgress(showsProgress, barOf(begun));
  let backfill = begun;
  try {
    await onChange(backfill);
    while (backfill.state === BackfillState.RUNNING) {
      show(bar, backfill);
      await sleep(POLL_INTERVAL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
      const next = await askPatiently(client, backfill);
      if (differs(next, backfill)) await onChange(next);
      backfill = next;
    }
    return backfill;
  } finally {
    bar.stop();
  }
}

/** Throws BACKFILL_FAILED unless it is done. */
export function expectDone({ id, environment, state, error }: Backfill): void {
  if (state === BackfillState.DONE) return;
  const ended = state === BackfillState.CANCELLED ? 'was cancelled' : 'failed';
  throw new CommandError(
    'BACKFILL_FAILED',
    `backfill ${id} of ${printable(environment)} ${ended}${error === '' ? '' : `: ${printable(error)}`}`,
    { metadata: { environment, backfill: String(id) } },
  );
}

async function askPatiently(client: RollcallClient, { environment, id }: Backfill): Promise<Backfill> {
  const until = Date.now() + MAX_SILENCE_MS;
  for (;;) {
    try {
      const { backfill } = await client.call(IndexService.method.getBackfill, { environment, id });
      if (backfill !== undefined) return backfill;
    } catch (error) {
      if (!isRetryable(error) || Date.now() > until) throw error;
    }
    await sleep(POLL_INTERVAL_MS);
  }
}

function barOf({ environment, unit, position, identitiesRead }: Backfill) {
  return {
    label: `Loading ${printable(environment)}`,
    startedAt: Number(position ?? identitiesRead),
    ...(unit === BackfillUnit.BYTES ? { unit: 'bytes' as const } : {}),
  };
}

function show(bar: Progress, { position, total, identitiesRead, etaSeconds, rowsSkipped }: Backfill): void {
  if (total !== undefined && total > 0n && position !== undefined) bar.setTotal(Number(total));
  const remarks = [
    etaSeconds === undefined ? '' : etaText(etaSeconds),
    rowsSkipped === 0n ? '' : `${rowsSkipped} skipped`,
  ];
  bar.update(Number(position ?? identitiesRead), remarks.filter((one) => one !== '').join(', '));
}

function differs(a: Backfill, b: Backfill): boolean {
  return a.state !== b.state || a.identitiesRead !== b.identitiesRead || a.identitiesSwept !== b.identitiesSwept;
}
