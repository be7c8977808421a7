import { stripVTControlCharacters } from 'node:util';
import { bold } from './style.js';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Longer cells are cut, so that one large trait does not spoil the table. */
const MAX_CELL_WIDTH = 80;

/** Rows in columns for people, the titles first, without a newline at the end. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => columns.map((_, index) => cut(row[index] ?? '')));
  const widths = columns.map((column, index) =>
    Math.max(width(column.title), ...cells.map((row) => width(row[index] ?? ''))),
  );
  const lineOf = (row: readonly string[], style: (text: string) => string): string =>
    columns
      .map((column, index) => style(pad(row[index] ?? '', widths[index] ?? 0, column.align ?? 'left')))
      .join('  ')
      .trimEnd();
  const titles = lineOf(
    columns.map((column) => column.title),
    bold,
  );
  return [titles, ...cells.map((row) => lineOf(row, (text) => text))].join('\n');
}

/** Fills the text up to a width in characters, colours not counted. */
export function pad(text: string, wanted: number, align: 'left' | 'right' = 'left'): string {
  const filling = ' '.repeat(Math.max(wanted - width(text), 0));
  return align === 'left' ? text + filling : filling + text;
}

/** Text from others, safe to print: control characters, and with them terminal sequences, become `·`. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Control}/gu, '·');
}

function width(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}

function cut(text: string): string {
  if (width(text) <= MAX_CELL_WIDTH) return text;
  return `${[...stripVTControlCharacters(text)].slice(0, MAX_CELL_WIDTH - 1).join('')}…`;
}
