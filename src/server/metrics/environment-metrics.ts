import { Gauge, type Registry } from 'prom-client';
import type { EnvironmentStates, HealthState } from '../../storage/environment-health.js';

const STATES = ['off', 'loading', 'ready', 'degraded', 'failed'] as const satisfies readonly HealthState[];

/** Environments with a line of their own: first those that are not ready. */
export const MAX_SHOWN_ENVIRONMENTS = 100;

/** Sets the states that environments are in now; undefined where the database does not answer. */
export function createEnvironmentMetrics(registry: Registry): (states: EnvironmentStates | undefined) => void {
  const registers = [registry];
  const counts = new Gauge({
    name: 'rollcall_environments',
    help: 'Environments, by state',
    labelNames: ['state'] as const,
    registers,
  });
  const states = new Gauge({
    name: 'rollcall_environment_state',
    help: `1 for the state that an environment is in; of ${MAX_SHOWN_ENVIRONMENTS} environments, first those that are not ready`,
    labelNames: ['environment', 'state'] as const,
    registers,
  });
  return (known) => {
    counts.reset();
    states.reset();
    if (known === undefined) return;
    for (const state of STATES) counts.set({ state }, known.counts.get(state) ?? 0);
    for (const { key: environment, state } of known.environments) states.set({ environment, state }, 1);
  };
}
