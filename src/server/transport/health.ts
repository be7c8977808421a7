import { Code, ConnectError } from '@connectrpc/connect';
import { implement } from './handlers.js';
import type { CallContext, Implementation } from './handlers.js';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '../../gen/grpc/health/v1/health_pb.js';

/** The standard health service: one status for the server (the empty name) and for each service it was made with. */
export interface HealthState {
  readonly implementation: Implementation;
  /** Sets every status at once and tells the watchers. */
  setServing(isServing: boolean): void;
}

/** Health of the named services (full names); not serving until told so. */
export function createHealth(serviceNames: readonly string[]): HealthState {
  const known = new Set(['', ...serviceNames]);
  const watchers = new Set<() => void>();
  let status = ServingStatus.NOT_SERVING;
  const statusOf = (service: string): ServingStatus => (known.has(service) ? status : ServingStatus.SERVICE_UNKNOWN);

  async function* watch(
    { service }: { service: string },
    { signal }: CallContext,
  ): AsyncGenerator<{ status: ServingStatus }> {
    while (!signal.aborted) {
      yield { status: statusOf(service) };
      await nextChange(watchers, signal);
    }
  }

  return {
    implementation: implement(Health, {
      check: ({ service }) => {
        if (!known.has(service)) throw new ConnectError('unknown service', Code.NotFound);
        return { status };
      },
      list: () => ({ statuses: Object.fromEntries([...known].map((name) => [name, { status }])) }),
      watch,
    }),
    setServing(isServing) {
      status = isServing ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
      for (const wake of watchers) wake();
    },
  };
}

function nextChange(watchers: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      watchers.delete(wake);
      signal.removeEventListener('abort', wake);
      resolve();
    };
    watchers.add(wake);
    signal.addEventListener('abort', wake);
  });
}
