import { Gauge, type Registry } from 'prom-client';
import type { EnvironmentIndex } from '../../query/environment-index.js';
import type { Totals } from '../../storage/totals.js';

/** What is measured of the index. */
export interface IndexMetrics {
  /** Sets what is true of the environments in memory now. */
  readonly show: (indexes: Iterable<EnvironmentIndex>) => void;
  /** Sets what is true of the database now; undefined where it does not answer. */
  readonly showStored: (totals: Totals | undefined) => void;
}

/** Environments with lines of their own: those with the most identities. */
const MAX_ENVIRONMENTS = 100;

export function createIndexMetrics(registry: Registry): IndexMetrics {
  const registers = [registry];
  return { show: createEnvironmentGauges(registers), showStored: createStoredGauges(registers) };
}

function createEnvironmentGauges(registers: Registry[]): IndexMetrics['show'] {
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ['environment'] as const, registers });
  const identities = gauge('rollcall_index_identities', 'Live identities, of the 100 largest environments in memory');
  const revisions = gauge('rollcall_index_revision', 'The revision that reads see, of the same environments');
  const ages = gauge('rollcall_index_as_of_age_seconds', 'How far as_of lies behind now, of the same environments');
  const total = new Gauge({ name: 'rollcall_index_environments', help: 'Environments in memory', registers });
  const totalIdentities = new Gauge({
    name: 'rollcall_index_total_identities',
    help: 'Live identities of all environments in memory',
    registers,
  });
  return (indexes) => {
    const loaded = [...indexes].filter(({ isLoaded }) => isLoaded);
    loaded.sort((a, b) => (b.identities ?? 0) - (a.identities ?? 0));
    total.set(loaded.length);
    totalIdentities.set(loaded.reduce((sum, index) => sum + (index.identities ?? 0), 0));
    for (const one of [identities, revisions, ages]) one.reset();
    for (const index of loaded.slice(0, MAX_ENVIRONMENTS)) {
      const environment = index.environment.key;
      identities.set({ environment }, index.identities ?? 0);
      revisions.set({ environment }, index.revision);
      ages.set({ environment }, Math.max(0, Date.now() - index.asOf.getTime()) / 1000);
    }
  };
}

function createStoredGauges(registers: Registry[]): IndexMetrics['showStored'] {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const isReachable = gauge('rollcall_database_reachable', 'Whether the database answered when this was asked');
  const atoms = new Gauge({
    name: 'rollcall_atoms',
    help: 'Atoms of all environments, by state',
    labelNames: ['state'] as const,
    registers,
  });
  const unlabelled = [
    [gauge('rollcall_log_revisions', 'Revisions in the log'), ({ logRevisions }) => logRevisions],
    [gauge('rollcall_log_bytes', 'Bytes of the payloads in the log'), ({ logBytes }) => logBytes],
    [gauge('rollcall_dead_letters', 'Dead letters that are kept'), ({ deadLetters }) => deadLetters],
    [
      gauge('rollcall_quarantined_identities', 'Identities of which a change was skipped'),
      ({ quarantinedIdentities }) => quarantinedIdentities,
    ],
    [
      gauge('rollcall_waiting_captures', 'Captured rows that wait for another, such as traits for their identity'),
      ({ waitingCaptures }) => waitingCaptures,
    ],
  ] satisfies [Gauge, (totals: Totals) => number][];
  return (totals) => {
    isReachable.set(Number(totals !== undefined));
    for (const [one] of unlabelled) one.remove();
    atoms.reset();
    if (totals === undefined) return;
    for (const [one, valueOf] of unlabelled) one.set(valueOf(totals));
    atoms.set({ state: 'ready' }, totals.atomsReady);
    atoms.set({ state: 'building' }, totals.atomsBuilding);
  };
}
