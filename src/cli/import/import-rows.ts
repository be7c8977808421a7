import { parseTrait } from '../../core/trait-text.js';
import type { TraitValue } from '../../core/values.js';
import type { FileRow, RowSink } from '../../sources/files/file-row.js';
import type { BadRows } from './bad-rows.js';

/** One identity of an input file. */
export interface ImportRow {
  readonly line: number;
  readonly identifier: string;
  /** Only where ids are given. */
  readonly id?: bigint;
  readonly traits: Readonly<Record<string, TraitValue>>;
}

/** So many identifiers are remembered: rows beyond may repeat each other. */
const MAX_REMEMBERED = 2_000_000;

/** Hands on the rows that can be used, and rejects the others and those whose identifier came before. */
export function usableRows(badRows: BadRows, take: (row: FileRow) => void): RowSink {
  const lines = new Map<string, number>();
  return {
    take: (row) => {
      const { identifier, line } = row;
      const earlier = lines.get(identifier);
      if (earlier !== undefined) {
        const shown = JSON.stringify(identifier.slice(0, 100));
        badRows.reject(line, `the identifier ${shown} is that of line ${earlier} already`);
        return;
      }
      if (lines.size < MAX_REMEMBERED) lines.set(identifier, line);
      take(row);
    },
    reject: ({ line, problem }) => {
      badRows.reject(line, problem);
    },
  };
}

/** The row with its traits as values. */
export function importRow({ line, identifier, id, traits }: FileRow): ImportRow {
  const values = Object.fromEntries([...traits].map(([name, text]) => [name, parseTrait(text)]));
  return { line, identifier, ...(id === undefined ? {} : { id: BigInt(id) }), traits: values };
}
