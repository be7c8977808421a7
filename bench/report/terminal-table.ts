import { figuresOf, type WorldFigures } from './figures-file.js';
import type { Figure } from './figures.js';
import { machineLine } from './machine.js';
import { formatBytes, formatValue } from './format-value.js';

/** A column: of its cells those that are numbers are aligned right. It is left out where every cell is empty. */
interface Column {
  readonly name: string;
  readonly isNumber: boolean;
  readonly cell: (figure: Figure) => string;
}

const COLUMNS: readonly Column[] = [
  { name: 'scenario', isNumber: false, cell: ({ scenario }) => scenario },
  { name: 'what', isNumber: false, cell: ({ what }) => what },
  { name: 'median', isNumber: true, cell: ({ value }) => formatValue(value) },
  { name: 'p99', isNumber: true, cell: ({ p99 }) => (p99 === undefined ? '' : formatValue(p99)) },
  { name: 'unit', isNumber: false, cell: ({ unit }) => unit },
  { name: 'bytes', isNumber: true, cell: ({ bytes }) => (bytes === undefined ? '' : formatBytes(bytes)) },
  {
    name: 'CPU s',
    isNumber: true,
    cell: ({ cpuSeconds }) => (cpuSeconds === undefined ? '' : formatValue(cpuSeconds)),
  },
  { name: 'peak', isNumber: true, cell: ({ peakBytes }) => (peakBytes === undefined ? '' : formatBytes(peakBytes)) },
  { name: 'goal', isNumber: false, cell: ({ goal = '' }) => goal },
  {
    name: 'reached',
    isNumber: false,
    cell: ({ isReached }) => (isReached === undefined ? '' : isReached ? 'yes' : 'NO'),
  },
];

/** A world's figures as a table, with the machine above it. */
export function formatWorld(world: WorldFigures): string {
  const { people, atoms, runs } = world;
  const machine = Object.values(runs)[0]?.machine;
  const what = `${people.count.toLocaleString('en')} identities (${people.distribution}), ${atoms} atoms`;
  return `${[what, machine === undefined ? '' : machineLine(machine)].join('; ')}\n\n${formatFigures(figuresOf(world))}`;
}

/** Figures as a table, a line each. */
function formatFigures(figures: readonly Figure[]): string {
  const columns = COLUMNS.map(({ name, isNumber, cell }) => {
    const cells = figures.map(cell);
    return { name, isNumber, cells, isEmpty: cells.every((text) => text === '') };
  }).filter(({ isEmpty }) => !isEmpty);
  return alignRows(
    [columns.map(({ name }) => name), ...figures.map((_, row) => columns.map(({ cells }) => cells[row] ?? ''))],
    columns.map(({ isNumber }) => isNumber),
  );
}

/** Rows of texts, the first of them the heads, as aligned lines; `isNumber` by column. */
export function alignRows(rows: readonly (readonly string[])[], isNumber: readonly boolean[]): string {
  const widths = isNumber.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const pad = (cell: string, column: number): string =>
    isNumber[column] === true ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0);
  const [heads, ...lines] = rows.map((row) => row.map(pad).join('  ').trimEnd());
  return [heads, widths.map((width) => '-'.repeat(width)).join('  '), ...lines].join('\n');
}
