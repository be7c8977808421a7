import { collectDefaultMetrics, Registry } from 'prom-client';

let registry: Registry | undefined;

/** What is measured of the process itself, once however many servers it runs: memory, CPU time, the event loop, garbage collection. */
export function processMetrics(): Registry {
  if (registry === undefined) {
    registry = new Registry();
    collectDefaultMetrics({ register: registry });
  }
  return registry;
}
