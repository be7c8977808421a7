import { join } from 'node:path';
import { applyScenario } from './scenarios/apply.js';
import { ATOM_CONDITIONS } from './world/segments.js';
import { type BenchOptions, readBenchOptions, type Scenario, SCENARIOS, USAGE } from './bench-options.js';
import { buildScenario } from './scenarios/build.js';
import { countScenario } from './scenarios/count.js';
import { drainScenario } from './scenarios/drain.js';
import { describeMachine, type Figure, formatReport, writeReport } from './report/figures.js';
import { streamScenario } from './scenarios/stream.js';
import type { People } from './world/load.js';
import { FOLDER, nameOf, openWorld, type World } from './world/world.js';

const RUN: Readonly<Record<Scenario, (world: World, rounds: number) => Promise<Figure[]>>> = {
  count: countScenario,
  stream: streamScenario,
  apply: applyScenario,
  build: buildScenario,
  drain: drainScenario,
};

async function main(options: BenchOptions): Promise<void> {
  for (const count of options.identities) await measureWorld(options, { count, distribution: options.distribution });
}

async function measureWorld(options: BenchOptions, people: People): Promise<void> {
  const world = await openWorld(people, options.isFresh, say);
  try {
    const figures: Figure[] = [];
    for (const scenario of SCENARIOS) {
      if (!options.scenarios.has(scenario)) continue;
      say(`measuring ${scenario}`);
      figures.push(...(await RUN[scenario](world, options.rounds)));
    }
    const machine = await describeMachine(world.database.sql, people, ATOM_CONDITIONS.length);
    const path = join(FOLDER, `figures-${nameOf(people)}.json`);
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
