import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DISTRIBUTIONS } from '../world/ordinals.js';
import { FIGURE, type Figure } from './figures.js';
import { MACHINE } from './machine.js';

const SCENARIO_RUN = z.object({
  measuredAt: z.string(),
  /** The one-minute load average before it began. */
  loadAverage: z.number(),
  commit: z.string(),
  rounds: z.number(),
  /** A smoke: too small and too short to tell. */
  isQuick: z.boolean(),
  machine: MACHINE,
  figures: z.array(FIGURE),
});

const FIGURES_FILE = z.object({
  people: z.object({ count: z.number(), distribution: z.enum(DISTRIBUTIONS) }),
  atoms: z.number(),
  /** By the name of the scenario, as `--only` takes it. */
  runs: z.record(z.string(), SCENARIO_RUN),
});

/** One scenario's figures, with when and on what they were measured. */
export type ScenarioRun = z.infer<typeof SCENARIO_RUN>;
/** What was measured in one world, each scenario when it last ran. */
export type WorldFigures = z.infer<typeof FIGURES_FILE>;

const NAME = /^figures-.*\.json$/;

export function pathOfFigures(folder: string, world: string): string {
  return join(folder, `figures-${world}.json`);
}

/** Puts the runs of some scenarios in the place of their earlier ones; those of others stay. What the file holds then. */
export async function keepRuns(path: string, measured: WorldFigures): Promise<WorldFigures> {
  const earlier = await readOne(path);
  const kept = { ...measured, runs: { ...earlier?.runs, ...measured.runs } };
  await writeFile(path, `${JSON.stringify(kept, null, 2)}\n`);
  return kept;
}

/** What was measured in each world of a folder, smallest first. */
export async function readAllFigures(folder: string): Promise<WorldFigures[]> {
  await mkdir(folder, { recursive: true });
  const names = (await readdir(folder)).filter((name) => NAME.test(name));
  const worlds = await Promise.all(names.map((name) => readOne(join(folder, name))));
  return worlds
    .flatMap((world) => world ?? [])
    .sort((a, b) => a.people.count - b.people.count || compare(a.people.distribution, b.people.distribution));
}

/** Without the runs of smokes, and the worlds of which nothing is left. */
export function withoutSmokes(worlds: readonly WorldFigures[]): WorldFigures[] {
  return worlds
    .map((world) => ({
      ...world,
      runs: Object.fromEntries(Object.entries(world.runs).filter(([, { isQuick }]) => !isQuick)),
    }))
    .filter(({ runs }) => Object.keys(runs).length > 0);
}

/** Every figure of a world. */
export function figuresOf({ runs }: WorldFigures): Figure[] {
  return Object.values(runs).flatMap(({ figures }) => figures);
}

/** Undefined where there is none, or one of another form. */
async function readOne(path: string): Promise<WorldFigures | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : FIGURES_FILE.safeParse(JSON.parse(text)).data;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
