import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ColumnSummary } from '../../src/cli/import/column-types.js';
import { createColumnObserver } from '../../src/cli/import/column-types.js';
import { readCell } from '../../src/sources/files/column-types.js';

function summaryOf(...cells: string[]): ColumnSummary {
  const observer = createColumnObserver();
  for (const cell of cells) observer.observe(cell);
  return observer.summary();
}

describe('the type of a column', () => {
  it.each([
    ['int', ['0', '-3', '42', '123456789012345678901234567890']],
    ['int', ['0', '1', '1']],
    ['float', ['1.5', '-0.25', '1e3', '2.50', '-0']],
    ['float', ['1', '2.5', '3']],
    ['bool', ['true', 'FALSE', 'True']],
    ['string', ['1', '2', 'abc']],
    ['string', ['true', '1']],
    ['string', ['007', '12']],
    ['string', ['+1']],
    ['string', [' 1']],
    ['string', ['2024-05-01', '2024-05-02']],
    ['string', ['nan', 'inf', '1.5']],
    ['string', ['1e999']],
    ['string', ['0.12345678901234567890']],
    ['string', ['1.5', '123456789012345678901234567890']],
  ])('is %s for %j', (type, cells) => {
    expect(summaryOf(...cells).type).toBe(type);
  });

  it('is decided by the last cell too: one "abc" makes a thousand integers strings', () => {
    const integers = Array.from({ length: 1000 }, (_, index) => String(index));
    expect(summaryOf(...integers).type).toBe('int');
    expect(summaryOf(...integers, 'abc').type).toBe('string');
  });

  it('does not look at empty cells, and counts them', () => {
    expect(summaryOf('', '1', '', '2')).toEqual({ type: 'int', emptyCells: 2, examples: ['1', '2'] });
  });

  it('is empty where no cell has anything in it', () => {
    expect(summaryOf('', '').type).toBe('empty');
  });

  it('comes with the first three different cells', () => {
    expect(summaryOf('b', 'a', 'b', 'c', 'd').examples).toEqual(['b', 'a', 'c']);
  });
});

describe('a cell', () => {
  it('is read as its column says', () => {
    expect(readCell('int', '123456789012345678901234567890')).toBe('123456789012345678901234567890');
    expect(readCell('float', '1')).toBe('1.0');
    expect(readCell('float', '-0.0')).toBe('0.0');
    expect(readCell('float', '2.50')).toBe('2.5');
    expect(readCell('bool', 'FALSE')).toBe('false');
    expect(readCell('string', 'say "1"')).toBe('"say \\"1\\""');
  });

  it('that is no such value is undefined', () => {
    expect(readCell('int', '1.0')).toBeUndefined();
    expect(readCell('bool', 'yes')).toBeUndefined();
    expect(readCell('float', 'abc')).toBeUndefined();
  });

  it('always has the type that was found for its column', () => {
    const cell = fc.oneof(
      fc.bigInt().map(String),
      fc.double().map(String),
      fc.boolean().map(String),
      fc.string({ minLength: 1 }),
    );
    fc.assert(
      fc.property(
        fc.array(
          cell.filter((text) => text !== ''),
          { minLength: 1 },
        ),
        (cells) => {
          const { type } = summaryOf(...cells);
          return type !== 'empty' && cells.every((text) => readCell(type, text) !== undefined);
        },
      ),
    );
  });
});
