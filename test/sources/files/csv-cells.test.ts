import { parse } from 'csv-parse/sync';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCells } from '../../../src/sources/files/csv-cells.js';

/** All records, or nothing where one of them cannot be read. */
function readAll(text: string): string[][] | undefined {
  const records: string[][] = [];
  try {
    for (let at = 0; at < text.length;) {
      const { cells, next } = readCells(text, at);
      records.push([...cells]);
      at = next;
    }
    return records.filter((cells) => cells.length > 1 || cells[0] !== '');
  } catch {
    return undefined;
  }
}

function readByOracle(text: string): string[][] | undefined {
  try {
    const records = parse(text, { relax_column_count: true, record_delimiter: ['\r\n', '\n'] });
    return records.filter((cells) => cells.length > 1 || cells[0] !== '');
  } catch {
    return undefined;
  }
}

describe('the cells of CSV', () => {
  it('are those that another parser reads, whatever is quoted', () => {
    const character = fc.constantFrom('a', 'é', '"', '""', ',', '\n', '\r\n', ' ', '');
    const any = fc.array(character, { maxLength: 14 }).map((parts) => parts.join(''));
    const cell = fc.array(character, { maxLength: 4 }).map((parts) => `"${parts.join('').replaceAll('"', '""')}"`);
    const written = fc
      .array(fc.array(fc.oneof(cell, fc.constantFrom('x', '', '1 2')), { minLength: 1, maxLength: 4 }), {
        maxLength: 4,
      })
      .chain((rows) => fc.constantFrom('\n', '\r\n').map((end) => rows.map((cells) => cells.join(',')).join(end)));
    fc.assert(
      fc.property(fc.oneof(any, written), (text) => {
        expect(readAll(text)).toEqual(readByOracle(text));
      }),
      { numRuns: 3_000 },
    );
  });
});
