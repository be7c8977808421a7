import { RollcallError } from '../core/errors.js';
import type { Sql } from '../storage/database.js';
import { type Environment, type EnvironmentAsOf, findEnvironments } from '../storage/environments.js';
import type { EnvironmentChange, RefusedChange } from './applier.js';

/** An environment and its changes of a batch. */
export type Group = readonly [EnvironmentAsOf, readonly EnvironmentChange[]];

/** A batch by environment. */
export interface GroupedBatch {
  /** In the order in which environments are locked. */
  readonly groups: readonly Group[];
  /** Of environments that do not exist, or are off. */
  readonly refused: readonly RefusedChange[];
  /** Environments that are off whose changes are passed over, and how many these are. */
  readonly off: readonly Environment[];
  readonly passedOver: number;
}

/** Groups the changes by environment. With `passesOver`, those of environments that are off are passed over; else they are refused. */
export async function groupByEnvironment(
  tx: Sql,
  changes: readonly EnvironmentChange[],
  passesOver: boolean,
): Promise<GroupedBatch> {
  const byKey = new Map<string, EnvironmentChange[]>();
  for (const change of changes) {
    const own = byKey.get(change.environmentKey);
    if (own === undefined) byKey.set(change.environmentKey, [change]);
    else own.push(change);
  }
  const groups: Group[] = [];
  const refused: RefusedChange[] = [];
  const off: Environment[] = [];
  let passedOver = 0;
  for (const environment of await findEnvironments(tx, [...byKey.keys()])) {
    const own = byKey.get(environment.key) ?? [];
    byKey.delete(environment.key);
    if (environment.state !== 'off') groups.push([environment, own]);
    else if (passesOver) {
      off.push(environment);
      passedOver += own.length;
    } else refused.push(...own.map((change) => ({ ...change, error: indexOff(environment, change) })));
  }
  refused.push(...[...byKey.values()].flat().map((change) => ({ ...change, error: unknownEnvironment(change) })));
  return { groups, refused, off, passedOver };
}

function indexOff({ key, stateReason, organisation }: Environment, { index }: EnvironmentChange): RollcallError {
  return new RollcallError('INDEX_OFF', `the environment '${key}' is switched off: its changes are not taken`, {
    metadata: { gate: stateReason, environment: key, organisation, index: String(index) },
  });
}

function unknownEnvironment({ environmentKey, index }: EnvironmentChange): RollcallError {
  return new RollcallError('ENVIRONMENT_NOT_FOUND', `the environment '${environmentKey}' does not exist`, {
    metadata: { environment: environmentKey, index: String(index) },
  });
}
