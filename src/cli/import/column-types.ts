import type { TraitValue } from '../../core/values.js';

/** What a column's cells are read as. */
export const COLUMN_TYPES = ['int', 'float', 'bool', 'string'] as const;
export type ColumnType = (typeof COLUMN_TYPES)[number];

/** What was seen of one column. */
export interface ColumnSummary {
  /** The narrowest type that every cell has; `empty` where there is no cell with anything in it. */
  readonly type: ColumnType | 'empty';
  readonly emptyCells: number;
  /** The first different cells. */
  readonly examples: readonly string[];
}

/** Sees a column's cells, one after the other, and tells their type: the whole column must agree. */
export interface ColumnObserver {
  observe(cell: string): void;
  summary(): ColumnSummary;
}

const MAX_EXAMPLES = 3;

/** No leading zeros: "007" is a name. Longer ones are beyond what the contract carries. */
const INTEGER = /^(?:0|-?[1-9][0-9]{0,4298})$/;
const FLOAT = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
const BOOLEAN = /^(?:true|false)$/i;

/** Digits that every float keeps; a cell with more would lose some. */
const MAX_FLOAT_DIGITS = 17;

export function createColumnObserver(): ColumnObserver {
  let candidates: readonly ColumnType[] = COLUMN_TYPES;
  let emptyCells = 0;
  let filledCells = 0;
  const examples = new Set<string>();
  return {
    observe: (cell) => {
      if (cell === '') {
        emptyCells += 1;
        return;
      }
      filledCells += 1;
      if (examples.size < MAX_EXAMPLES) examples.add(cell);
      if (candidates.length > 1 && !candidates.every((type) => isCell(type, cell))) {
        candidates = candidates.filter((type) => isCell(type, cell));
      }
    },
    summary: () => {
      const type = filledCells === 0 ? 'empty' : (candidates[0] ?? 'string');
      return { type, emptyCells, examples: [...examples] };
    },
  };
}

/** The cell as a value of the type; undefined where it cannot be read so. The cell is not empty. */
export function readCell(type: ColumnType, cell: string): TraitValue | undefined {
  if (!isCell(type, cell)) return undefined;
  switch (type) {
    case 'int':
      return BigInt(cell);
    case 'float':
      return Number(cell);
    case 'bool':
      return cell.toLowerCase() === 'true';
    case 'string':
      return cell;
  }
}

function isCell(type: ColumnType, cell: string): boolean {
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
