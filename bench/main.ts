import { loadavg } from 'node:os';
import { applyScenario } from './scenarios/apply.js';
import { type BenchOptions, readBenchOptions, type Scenario, SCENARIOS, USAGE } from './bench-options.js';
import { buildScenario } from './scenarios/build.js';
import { catchUpScenario } from './scenarios/catch-up.js';
import { coldStartScenario } from './scenarios/cold-start.js';
import { foldScenario } from './scenarios/fold.js';
import { importScenario } from './scenarios/import.js';
import { loadScenario } from './scenarios/load.js';
import { checkScenario } from './scenarios/check.js';
import { countScenario } from './scenarios/count.js';
import { drainScenario } from './scenarios/drain.js';
import { formatGrowth } from './report/growth-table.js';
import { growthScenario } from './scenarios/growth.js';
import { keepRuns, pathOfFigures, readAllFigures, type ScenarioRun, type WorldFigures } from './report/figures-file.js';
import { describeCommit, describeMachine } from './report/machine.js';
import { formatWorld } from './report/terminal-table.js';
import type { Figure } from './report/figures.js';
import { simulateScenario } from './simulate/simulate.js';
import { scaleScenario } from './scenarios/scale.js';
import { streamScenario } from './scenarios/stream.js';
import { writeBenchmarks } from './report/write-benchmarks.js';
import { ATOM_CONDITIONS } from './world/segments.js';
import { FOLDER, nameOf, openWorld, type World } from './world/world.js';

const RUN: Readonly<Record<Scenario, (world: World, rounds: number) => Promise<Figure[]>>> = {
  count: countScenario,
  check: checkScenario,
  stream: streamScenario,
  apply: applyScenario,
  build: buildScenario,
  import: importScenario,
  load: loadScenario,
  fold: foldScenario,
  'cold-start': coldStartScenario,
  'catch-up': catchUpScenario,
  drain: drainScenario,
  scale: scaleScenario,
  growth: growthScenario,
  simulate: simulateScenario,
};

async function main(options: BenchOptions): Promise<void> {
  if (!options.isReportOnly)
    for (const count of options.identities) {
      const world = await openWorld({ count, distribution: options.distribution }, options.isFresh, say);
      await measureWorld(world, options).finally(() => world.close());
    }
  const growth = formatGrowth(await readAllFigures(FOLDER));
  if (growth !== '') console.log(`\n${growth}`);
  if (!options.isQuick) for (const path of await writeBenchmarks(FOLDER, '.', say)) console.log(`written: ${path}`);
}

/** A scenario that fails does not keep the others from being measured: the process ends with 1. */
async function measureWorld(world: World, options: BenchOptions): Promise<void> {
  const path = pathOfFigures(FOLDER, nameOf(world.people));
  const measured: Record<string, ScenarioRun> = {};
  const figures: WorldFigures = { people: world.people, atoms: ATOM_CONDITIONS.length, runs: measured };
  for (const scenario of SCENARIOS.filter((name) => options.scenarios.has(name))) {
    say(`measuring ${scenario}`);
    try {
      measured[scenario] = await measureScenario(world, scenario, options);
      await keepRuns(path, figures);
    } catch (error) {
      console.error(`${scenario} failed:`, error);
      process.exitCode = 1;
    }
  }
  console.log(`\n${formatWorld(figures)}\n\nthe same in ${path}`);
}

async function measureScenario(world: World, scenario: Scenario, options: BenchOptions): Promise<ScenarioRun> {
  const loadAverage = loadavg()[0] ?? Number.NaN;
  const figures = await RUN[scenario](world, options.rounds);
  return {
    measuredAt: new Date().toISOString(),
    loadAverage,
    commit: await describeCommit(),
    rounds: options.rounds,
    isQuick: options.isQuick,
    machine: await describeMachine(world.database.sql),
    figures,
  };
}

function say(line: string): void {
  console.error(line);
}

function readArguments(): BenchOptions {
  try {
    return readBenchOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    process.exit(2);
  }
}

await main(readArguments());
