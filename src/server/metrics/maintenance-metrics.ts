import { Histogram, type Registry } from 'prom-client';

/** What goes on behind the changes. */
export type MaintenanceWork = 'fold' | 'build';

const SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800];

/** To be told of each fold and build that ended well. */
export function createMaintenanceMetrics(registry: Registry): (work: MaintenanceWork, durationMs: number) => void {
  const seconds = new Histogram({
    name: 'rollcall_maintenance_seconds',
    help: 'How long folds of the log and builds of atoms took, of those that this process did',
    labelNames: ['work'] as const,
    buckets: SECONDS,
    registers: [registry],
  });
  return (work, durationMs) => {
    seconds.observe({ work }, durationMs / 1000);
  };
}
