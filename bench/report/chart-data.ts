import type {
  Chart,
  ChartByNumber,
  ChartBySize,
  ChartOfBars,
  ChartOfExponents,
  ChartOfParts,
  Named,
  RowName,
} from './chart.js';
import { figuresOf, type WorldFigures } from './figures-file.js';
import { formatCount } from './format-value.js';
import { growthByIdentities } from './growth-exponents.js';

/** A chart with its values; `of` says where they were measured. */
interface DrawnHead {
  readonly name: string;
  readonly title: string;
  readonly of: string;
  readonly axis: string;
}

export interface DrawnLines extends DrawnHead {
  readonly kind: 'lines';
  readonly xAxis: string;
  readonly isXLog: boolean;
  readonly series: readonly (Named & { readonly points: readonly (readonly [number, number])[] })[];
}

export interface DrawnBars extends DrawnHead {
  readonly kind: 'bars';
  readonly groups: readonly {
    readonly label: string;
    readonly bars: readonly (Named & { readonly value: number })[];
  }[];
}

export interface DrawnParts extends DrawnHead {
  readonly kind: 'parts';
  readonly parts: readonly string[];
  readonly bars: readonly { readonly label: string; readonly values: readonly number[] }[];
}

export type DrawnChart = DrawnLines | DrawnBars | DrawnParts;

/** A chart of which rows are missing, by their names. */
export interface MissingRows {
  readonly missing: readonly string[];
}

/** The values of a chart; where some rows were measured in no world, which. */
export function drawnChart(chart: Chart, worlds: readonly WorldFigures[]): DrawnChart | MissingRows {
  const dense = worlds.filter(({ people }) => people.distribution === 'dense');
  const missing = [
    ...new Set(
      rowsOf(chart)
        .filter((row) => dense.every((world) => !(find(world, row) > 0)))
        .map(nameOfRow),
    ),
  ];
  if (missing.length > 0) return { missing };
  switch (chart.kind) {
    case 'by-size':
      return bySize(chart, dense);
    case 'by-number':
    case 'bars': {
      const world = dense.findLast((one) => rowsOf(chart).every((row) => find(one, row) > 0));
      if (world === undefined) return { missing: ['all of them in one world'] };
      return chart.kind === 'bars' ? ofBars(chart, world) : byNumber(chart, world);
    }
    case 'parts':
      return ofParts(chart, dense);
    case 'exponents':
      return ofExponents(chart, dense);
  }
}

/** Every row that a chart shows. */
export function rowsOf(chart: Chart): RowName[] {
  switch (chart.kind) {
    case 'by-size':
      return chart.series.map(({ row }) => row);
    case 'by-number':
      return chart.series.flatMap(({ points }) => points.map(({ row }) => row));
    case 'bars':
      return chart.groups.flatMap(({ bars }) => bars.map(({ row }) => row));
    case 'parts':
      return chart.parts.map(({ row }) => row);
    case 'exponents':
      return chart.byIdentities.map(({ row }) => row);
  }
}

function bySize(chart: ChartBySize, worlds: readonly WorldFigures[]): DrawnLines {
  const series = chart.series.map(({ row, ...named }) => ({
    ...named,
    points: worlds.flatMap((world): [number, number][] => {
      const value = find(world, row);
      return value > 0 ? [[world.people.count, value]] : [];
    }),
  }));
  return { ...head(chart, worlds), kind: 'lines', xAxis: 'identities', isXLog: true, series };
}

function byNumber(chart: ChartByNumber, world: WorldFigures): DrawnLines {
  const series = chart.series.map(({ points, ...named }) => ({
    ...named,
    points: points.map(({ x, row }): [number, number] => [x, find(world, row)]),
  }));
  return { ...head(chart, [world]), kind: 'lines', xAxis: chart.xAxis, isXLog: chart.isLog, series };
}

function ofBars(chart: ChartOfBars, world: WorldFigures): DrawnBars {
  const groups = chart.groups.map(({ label, bars }) => ({
    label,
    bars: bars.map(({ row, ...named }) => ({ ...named, value: find(world, row) })),
  }));
  return { ...head(chart, [world]), kind: 'bars', groups };
}

function ofParts(chart: ChartOfParts, worlds: readonly WorldFigures[]): DrawnParts {
  const whole = worlds.filter((world) => chart.parts.every(({ row }) => find(world, row) > 0));
  const bars = whole.map((world) => ({
    label: formatCount(world.people.count),
    values: chart.parts.map(({ row }) => find(world, row)),
  }));
  return { ...head(chart, whole), kind: 'parts', parts: chart.parts.map(({ label }) => label), bars };
}

function ofExponents(chart: ChartOfExponents, worlds: readonly WorldFigures[]): DrawnBars | MissingRows {
  const growths = growthByIdentities(worlds);
  const exponent = (row: RowName): number | undefined =>
    growths.find(({ scenario, what }) => scenario === row.scenario && what === row.what)?.exponent;
  const measured = worlds.findLast((world) => chart.measured.every(({ row }) => Number.isFinite(find(world, row))));
  const bars = [
    ...chart.byIdentities.map(({ row, ...named }) => ({ ...named, value: exponent(row) })),
    ...chart.measured.map(({ row, ...named }) => ({ ...named, value: measured && find(measured, row) })),
  ];
  const missing = bars.filter(({ value }) => value === undefined).map(({ label }) => `the exponent of ${label}`);
  if (missing.length > 0) return { missing };
  const groups = bars.map(({ label, role, value = NaN }) => ({ label, bars: [{ label: '', role, value }] }));
  return { ...head(chart, worlds), kind: 'bars', groups };
}

function head({ name, title, axis }: Chart, worlds: readonly WorldFigures[]): DrawnHead {
  const sizes = worlds.map(({ people }) => formatCount(people.count));
  const of = sizes.length > 1 ? `${sizes[0] ?? ''} to ${sizes.at(-1) ?? ''}` : (sizes[0] ?? '');
  const machine = worlds.flatMap(({ runs }) => Object.values(runs))[0]?.machine;
  return { name, title, axis, of: `${of} identities${machine === undefined ? '' : `, ${machine.cores} cores`}` };
}

/** NaN where the row is not there. */
function find(world: WorldFigures, row: RowName): number {
  const found = figuresOf(world).find(({ scenario, what }) => scenario === row.scenario && what === row.what);
  return found?.value ?? Number.NaN;
}

function nameOfRow({ scenario, what }: RowName): string {
  return `'${what}' of ${scenario}`;
}
