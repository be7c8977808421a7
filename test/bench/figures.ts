import type { ScenarioRun, WorldFigures } from '../../bench/report/figures-file.js';
import type { Figure } from '../../bench/report/figures.js';

/** A run of a scenario with these figures. */
export function runOf(figures: Figure[], over: Partial<ScenarioRun> = {}): ScenarioRun {
  return {
    measuredAt: '2026-01-02T03:04:05.678Z',
    loadAverage: 0.25,
    commit: 'abc1234567',
    rounds: 7,
    isQuick: false,
    machine: {
      cores: 2,
      processor: 'a processor',
      memoryGiB: 24,
      node: 'v20.0.0',
      postgres: '18.4',
      packages: { roaring: '2.7.0' },
    },
    figures,
    ...over,
  };
}

export function worldOf(count: number, runs: Record<string, ScenarioRun>): WorldFigures {
  return { people: { count, distribution: 'dense' }, atoms: 40, runs };
}
