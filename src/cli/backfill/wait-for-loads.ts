import { setTimeout as sleep } from 'node:timers/promises';
import { type Backfill, EnvironmentState, IndexService } from '../../gen/rollcall/v1/index_service_pb.js';
import type { RollcallClient } from '../client.js';
import type { CommandContext } from '../context.js';
import { CommandError } from '../command-error.js';
import { formatThings } from '../format.js';
import { green, red } from '../style.js';
import { printable } from '../table.js';
import { watchBackfill } from './watch-backfill.js';

/** Until a process has taken a new environment up. */
const POLL_INTERVAL_MS = 200;

/** Waits till none of these environments is loading, and remarks rows that were skipped. Throws BACKFILL_FAILED where one has failed. */
export async function waitForLoads(
  context: CommandContext,
  client: RollcallClient,
  environments: readonly string[],
  showsProgress: boolean,
): Promise<void> {
  const failed: string[] = [];
  for (const environment of environments) {
    const reason = await waitForLoad(context, client, environment, showsProgress);
    if (reason !== '') failed.push(`${printable(environment)}: ${printable(reason)}`);
    else await remarkSkipped(context, client, environment);
  }
  if (failed.length > 0)
    throw new CommandError(
      'BACKFILL_FAILED',
      `${formatThings(failed.length, 'environment')} could not be loaded: ${failed.join('; ')}`,
    );
  await context.remarks.line(`${green('✓')} ${formatThings(environments.length, 'environment')} loaded`);
}

/** Why it could not be loaded; '' where it is. */
async function waitForLoad(
  context: CommandContext,
  client: RollcallClient,
  environment: string,
  showsProgress: boolean,
): Promise<string> {
  for (;;) {
    const status = await client.call(IndexService.method.getStatus, { environment });
    const [one] = status.environments;
    if (one?.state === EnvironmentState.FAILED || one?.state === EnvironmentState.OFF) return one.stateReason;
    if (one?.state !== EnvironmentState.LOADING) return '';
    await watchOrWait(context, client, one.backfill, showsProgress);
  }
}

/** Rows that could not be taken are no failure, but who is in them is missing. */
async function remarkSkipped({ remarks }: CommandContext, client: RollcallClient, environment: string): Promise<void> {
  const { backfills } = await client.call(IndexService.method.listBackfills, { environment, pageSize: 1 });
  const skipped = backfills[0]?.rowsSkipped ?? 0n;
  if (skipped === 0n) return;
  const name = printable(environment);
  await remarks.line(`${red('!')} ${name}: ${formatThings(skipped, 'row')} skipped: rollcall backfill status ${name}`);
}

async function watchOrWait(
  context: CommandContext,
  client: RollcallClient,
  backfill: Backfill | undefined,
  showsProgress: boolean,
): Promise<void> {
  if (backfill !== undefined) await watchBackfill(context, client, backfill, { showsProgress });
  await sleep(POLL_INTERVAL_MS, undefined, { signal: context.signal }).catch(() => context.signal.throwIfAborted());
}
