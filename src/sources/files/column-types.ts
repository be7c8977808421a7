import { formatTrait } from '../../core/trait-text.js';
import { isUsualNumber } from './usual-object.js';

/** What a CSV column's cells are read as. */
export const COLUMN_TYPES = ['int', 'float', 'bool', 'string'] as const;
export type ColumnType = (typeof COLUMN_TYPES)[number];

/** No leading zeros: "007" is a name. Longer ones are beyond what the contract carries. */
const INTEGER = /^(?:0|-?[1-9][0-9]{0,4298})$/;
const FLOAT = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
const BOOLEAN = /^(?:true|false)$/i;

/** Digits that every float keeps; a cell with more would lose some. */
const MAX_FLOAT_DIGITS = 17;

/** The cell's JSON text as a value of the type, in the form of `trait-text.ts`; undefined where it cannot be read so. The cell is not empty. */
export function readCell(type: ColumnType, cell: string): string | undefined {
  switch (type) {
    case 'int':
      return INTEGER.test(cell) ? cell : undefined;
    case 'float':
      if (cell.includes('.') && isUsualNumber(cell)) return cell;
      return isFloat(cell) ? formatTrait(Number(cell)) : undefined;
    case 'bool':
      return BOOLEAN.test(cell) ? cell.toLowerCase() : undefined;
    case 'string':
      return JSON.stringify(cell);
  }
}

/** Whether `readCell` reads it. */
export function isCell(type: ColumnType, cell: string): boolean {
  switch (type) {
    case 'int':
      return INTEGER.test(cell);
    case 'float':
      return isFloat(cell);
    case 'bool':
      return BOOLEAN.test(cell);
    case 'string':
      return true;
  }
}

function isFloat(cell: string): boolean {
  if (!FLOAT.test(cell) || !Number.isFinite(Number(cell))) return false;
  if (cell.length <= MAX_FLOAT_DIGITS) return true;
  return significantDigits(cell) <= MAX_FLOAT_DIGITS;
}

function significantDigits(cell: string): number {
  return cell
    .replace(/[eE].*$/, '')
    .replaceAll(/[-.]/g, '')
    .replace(/^0+/, '').length;
}
