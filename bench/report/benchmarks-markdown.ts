import { type ScenarioRun, type WorldFigures } from './figures-file.js';
import type { Figure } from './figures.js';
import { formatBytes, formatCount, formatValue } from './format-value.js';
import { growthByIdentities } from './growth-exponents.js';
import { describeSizes } from './growth-table.js';
import { machineLine } from './machine.js';
import { markdownTable } from './markdown-table.js';
import { SCENARIO_TEXTS } from './scenario-texts.js';

/** A chart that was written: its file, relative to BENCHMARKS.md, and its title. */
export interface ChartFile {
  readonly path: string;
  readonly title: string;
}

/** `--rounds` where it is not given. */
const DEFAULT_ROUNDS = 7;

/** BENCHMARKS.md, of worlds in the order of its columns and scenarios in that of its sections. Every number in it is a figure's. */
export function benchmarksMarkdown(
  worlds: readonly WorldFigures[],
  scenarios: readonly string[],
  charts: readonly ChartFile[],
): string {
  const measured = scenarios.filter((scenario) => worlds.some(({ runs }) => scenario in runs));
  const sections = [
    head(),
    ...goals(worlds),
    ...charts.map(({ path, title }) => `![${title}](${path})`),
    ...measured.flatMap((scenario) => section(scenario, worlds)),
    ...growth(worlds),
    ...conditions(worlds, measured),
  ];
  return `${sections.join('\n\n')}\n`;
}

function head(): string {
  return [
    '# Benchmarks',
    '',
    'Written by `npm run bench` from the figures that it keeps in `.rollcall-bench/`; do not edit it. `npm run bench -- --report` writes it again without measuring. Each scenario asserts its answer',
    'before it is timed, and measures its sides in turn in one run, on one machine, over the same data: the ratios carry over to other machines, the absolute figures do not. A figure is the median; under it',
    'stand the 99th percentile, CPU seconds and most resident memory of the process measured, and bytes, where they were taken. The last section says on what and when each was measured.',
  ].join('\n');
}

/** Every figure that has a goal, with whether it is reached. */
function goals(worlds: readonly WorldFigures[]): string[] {
  const cell = ({ value, unit, isReached }: Figure): string =>
    `${withUnit(value, unit)} ${isReached === undefined ? '' : isReached ? '✓ reached' : '**✗ NOT reached**'}`;
  const rows = rowsOf(worlds, undefined, ({ goal }) => goal !== undefined).map(({ first, cells }) => [
    `${first.scenario}: ${first.what}`,
    goalOf(cells),
    ...cells.map((figure) => (figure === undefined ? '' : cell(figure))),
  ]);
  if (rows.length === 0) return [];
  return [
    '## Goals\n\nThey are set for large environments, on two cores; in small ones what does not grow with the identities decides.',
    markdownTable(['', 'goal', ...worlds.map(nameOfWorld)], rows, 2),
  ];
}

/** Of the largest world, where the sizes have different ones. */
function goalOf(cells: readonly (Figure | undefined)[]): string {
  return cells.findLast((figure) => figure?.goal !== undefined)?.goal ?? '';
}

function section(scenario: string, worlds: readonly WorldFigures[]): string[] {
  const { title, text } = SCENARIO_TEXTS[scenario] ?? { title: scenario, text: '' };
  const own = worlds.filter(({ runs }) => scenario in runs);
  const tables = [
    ...new Set(own.flatMap(({ runs }) => runs[scenario]?.figures.map((figure) => figure.scenario) ?? [])),
  ];
  return [
    `## ${title}`,
    ...(text === '' ? [] : [text]),
    `\`\`\`sh\n${commands(scenario, own).join('\n')}\n\`\`\``,
    ...tables.flatMap((table) => [...(tables.length > 1 ? [`### ${table}`] : []), tableOf(table, scenario, own)]),
  ];
}

function tableOf(table: string, scenario: string, worlds: readonly WorldFigures[]): string {
  const rows = rowsOf(worlds, scenario, (figure) => figure.scenario === table).map(({ first, cells }) => [
    first.what,
    first.unit,
    ...cells.map((figure) => (figure === undefined ? '' : cellOf(figure))),
  ]);
  return markdownTable(['', 'unit', ...worlds.map(nameOfWorld)], rows, 2);
}

function cellOf({ value, p99, cpuSeconds, peakBytes, bytes }: Figure): string {
  const beside = [
    p99 === undefined ? '' : `p99 ${formatValue(p99)}`,
    cpuSeconds === undefined ? '' : `${formatValue(cpuSeconds)} s CPU`,
    peakBytes === undefined ? '' : `${formatBytes(peakBytes)} peak`,
    bytes === undefined ? '' : formatBytes(bytes),
  ].filter((text) => text !== '');
  return beside.length === 0 ? formatValue(value) : `${formatValue(value)}<br><sub>${beside.join(', ')}</sub>`;
}

/** What repeats the measurements of a scenario. */
function commands(scenario: string, worlds: readonly WorldFigures[]): string[] {
  const byOptions = new Map<string, number[]>();
  for (const { people, runs } of worlds) {
    const rounds = runs[scenario]?.rounds ?? DEFAULT_ROUNDS;
    const options = [
      scenario === 'simulate' ? '--simulate' : `--only ${scenario}`,
      ...(people.distribution === 'dense' ? [] : [`--distribution ${people.distribution}`]),
      ...(rounds === DEFAULT_ROUNDS ? [] : [`--rounds ${rounds}`]),
    ].join(' ');
    byOptions.set(options, [...(byOptions.get(options) ?? []), people.count]);
  }
  return [...byOptions].map(([options, counts]) => `npm run bench -- --identities ${counts.join(',')} ${options}`);
}

function growth(worlds: readonly WorldFigures[]): string[] {
  const growths = growthByIdentities(worlds);
  if (growths.length === 0) return [];
  const rows = growths.map(({ scenario, what, quantity, exponent, ...sizes }) => [
    `${scenario}: ${what}`,
    exponent.toFixed(2),
    quantity,
    describeSizes(sizes),
  ]);
  return [
    '## Growth with the identities\n\nThe slope of the least-squares line through the logarithms: 0 does not grow, 1 grows in proportion. A time is taken as it is; a rate as the time for one item, so that 0 means that a rate holds at every size.',
    markdownTable(['', 'exponent', 'of', 'identities'], rows, 1, 1),
  ];
}

function conditions(worlds: readonly WorldFigures[], scenarios: readonly string[]): string[] {
  const runs = worlds.flatMap((world) =>
    scenarios.flatMap((scenario): { world: WorldFigures; scenario: string; run: ScenarioRun }[] => {
      const run = world.runs[scenario];
      return run === undefined ? [] : [{ world, scenario, run }];
    }),
  );
  const machines = [...new Set(runs.map(({ run }) => machineLine(run.machine)))];
  const packages = runs.map(({ run }) =>
    Object.entries(run.machine.packages)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  );
  return [
    '## Measured on',
    [...machines, ...new Set(packages.filter((line) => line !== ''))].map((line) => `* ${line}`).join('\n'),
    'The load is the one-minute average of runnable processes before the scenario began; a `+` at the commit means that files differed from it.',
    markdownTable(
      ['identities', 'scenario', 'measured at', 'commit', 'rounds', 'load'],
      runs.map(({ world, scenario, run }) => [
        nameOfWorld(world),
        scenario,
        run.measuredAt.slice(0, 16).replace('T', ' '),
        run.commit,
        String(run.rounds),
        formatValue(run.loadAverage),
      ]),
      4,
    ),
  ];
}

interface Row {
  readonly first: Figure;
  /** By world. */
  readonly cells: readonly (Figure | undefined)[];
}

/** The rows of some figures, in the order in which they come, with a cell for each world. Of one scenario's run, or of all. */
function rowsOf(
  worlds: readonly WorldFigures[],
  scenario: string | undefined,
  isWanted: (figure: Figure) => boolean,
): Row[] {
  const rows = new Map<string, { first: Figure; cells: (Figure | undefined)[] }>();
  for (const [column, { runs }] of worlds.entries()) {
    const own = scenario === undefined ? Object.values(runs) : [runs[scenario]];
    for (const figure of own.flatMap((run) => run?.figures ?? []).filter(isWanted)) {
      const key = JSON.stringify([figure.scenario, figure.what, figure.unit]);
      const row = rows.get(key) ?? { first: figure, cells: worlds.map(() => undefined) };
      row.cells[column] = figure;
      rows.set(key, row);
    }
  }
  return [...rows.values()];
}

function nameOfWorld({ people: { count, distribution } }: WorldFigures): string {
  return distribution === 'dense' ? formatCount(count) : `${formatCount(count)} ${distribution}`;
}

function withUnit(value: number, unit: string): string {
  return unit === '' ? formatValue(value) : `${formatValue(value)} ${unit}`;
}
