import { RollcallError } from '../core/errors.js';
import type { Environment } from '../storage/environments.js';

/** Throws where an environment refuses reads: INDEX_OFF, ENVIRONMENT_LOADING, ENVIRONMENT_FAILED or RELOAD_REQUIRED. */
export function expectAnswering(environment: Environment): void {
  const { key, state, stateReason } = environment;
  switch (state) {
    case 'ready':
      return;
    case 'off':
      throw indexOff(environment);
    case 'loading':
      throw new RollcallError('ENVIRONMENT_LOADING', `the environment '${key}' is being loaded`, {
        metadata: { environment: key, retryAfterMs: '1000' },
      });
    case 'failed':
      throw failed(key, stateReason);
  }
}

/** What a call is refused with that is about an environment that is off. */
export function indexOff({ key, organisation, stateReason }: Environment): RollcallError {
  const cause =
    stateReason === 'denylist' ? 'is on the denylist' : 'is not let in by the flag segment_membership_index';
  return new RollcallError(
    'INDEX_OFF',
    `the environment '${key}' is switched off: its organisation '${organisation}' ${cause}`,
    { metadata: { gate: stateReason, environment: key, organisation } },
  );
}

function failed(key: string, cause: string): RollcallError {
  return cause === 'RELOAD_REQUIRED'
    ? new RollcallError(
        'RELOAD_REQUIRED',
        `changes of the environment '${key}' were passed over while it was off: load all of its identities again`,
        { metadata: { environment: key } },
      )
    : new RollcallError(
        'ENVIRONMENT_FAILED',
        `the first load of the environment '${key}' did not complete: ${cause}; ListBackfills ('rollcall backfill status ${key}') says more`,
        { metadata: { environment: key, cause } },
      );
}
