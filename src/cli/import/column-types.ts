import { COLUMN_TYPES, type ColumnType, isCell } from '../../sources/files/column-types.js';

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
