import type { ColumnType } from '../../sources/files/column-types.js';
import type { CsvLayout } from '../../sources/files/csv-columns.js';
import type { CsvObserver } from '../../sources/files/csv-records.js';
import { type ColumnObserver, type ColumnSummary, createColumnObserver } from './column-types.js';

/** A column that becomes a trait. */
export interface SeenColumn extends ColumnSummary {
  readonly name: string;
}

/** How the rows of a CSV file are read, found by reading all of it once. */
export interface CsvPlan {
  readonly identifierColumn: string;
  /** Those that become traits, in the file's order. */
  readonly columns: readonly SeenColumn[];
}

/** Finds the type on which each column's cells agree. */
export interface CsvPlanner extends CsvObserver {
  /** When the whole file is read; the types that were given go before those found. */
  plan(given: ReadonlyMap<string, ColumnType>): CsvPlan;
}

export function createCsvPlanner(): CsvPlanner {
  let identifierColumn = '';
  let columns: readonly { readonly name: string; readonly index: number; readonly observer: ColumnObserver }[] = [];
  return {
    begin(layout: CsvLayout) {
      identifierColumn = layout.identifierColumn;
      columns = layout.traitColumns.map(({ name, index }) => ({ name, index, observer: createColumnObserver() }));
    },
    row(cells) {
      for (const { index, observer } of columns) observer.observe(cells[index] ?? '');
    },
    plan: (given) => ({
      identifierColumn,
      columns: columns.map(({ name, observer }) => {
        const summary = observer.summary();
        return { name, ...summary, type: given.get(name) ?? summary.type };
      }),
    }),
  };
}

/** The types of the columns that hold anything. */
export function typesOf({ columns }: CsvPlan): ReadonlyMap<string, ColumnType> {
  return new Map(columns.flatMap(({ name, type }) => (type === 'empty' ? [] : [[name, type] as const])));
}
