import { join } from 'node:path';
import { applyScenario } from './apply-scenario.js';
import { ATOM_CONDITIONS } from './bench-segments.js';
import { type BenchOptions, readBenchOptions, type Scenario, SCENARIOS, USAGE } from './bench-options.js';
import { buildScenario } from './build-scenario.js';
import { countScenario } from './count-scenario.js';
import { drainScenario } from './drain-scenario.js';
import { describeMachine, type Figure, formatReport, writeReport } from './report.js';
import { streamScenario } from './stream-scenario.js';
import { FOLDER, openWorld, type World } from './world.js';

const RUN: Readonly<Record<Scenario, (world: World, rounds: number) => Promise<Figure[]>>> = {
  count: countScenario,
  stream: streamScenario,
  apply: applyScenario,
  build: buildScenario,
  drain: drainScenario,
};

async function main(options: BenchOptions): Promise<void> {
  const world = await openWorld(options.identities, options.isFresh, say);
  try {
    const figures: Figure[] = [];
    for (const scenario of SCENARIOS) {
      if (!options.scenarios.has(scenario)) continue;
      say(`measuring ${scenario}`);
      figures.push(...(await RUN[scenario](world, options.rounds)));
    }
    const machine = await describeMachine(world.database.sql, options.identities, ATOM_CONDITIONS.length);
    const path = join(FOLDER, `figures-${options.identities}.json`);
    await writeReport(path, machine, figures);
    console.log(`\n${formatReport(machine, figures)}\n\nthe same in ${path}`);
  } finally {
    await world.close();
  }
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
