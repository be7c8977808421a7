import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BadRowPolicy } from '../../src/cli/import/bad-rows.js';
import { createBadRows } from '../../src/cli/import/bad-rows.js';
import type { ImportRow } from '../../src/cli/import/import-rows.js';
import { openInput } from '../../src/cli/import/input-file.js';
import type { InputFormat } from '../../src/cli/import/input-file.js';
import type { InputOptions } from '../../src/cli/import/input-plan.js';
import { planInput, readRows } from '../../src/cli/import/input-plan.js';

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'rollcall-rows-'))));
afterAll(() => rm(folder, { recursive: true }));

interface Reading {
  readonly rows: ImportRow[];
  readonly rejected: readonly string[];
}

async function read(
  format: InputFormat,
  content: string | Buffer,
  options: InputOptions = {},
  policy: BadRowPolicy = 'skip',
): Promise<Reading> {
  const path = join(folder, `input.${format}`);
  await writeFile(path, content);
  const file = await openInput(path);
  const badRows = createBadRows(policy);
  const plan = await planInput(file, format, options, badRows, () => undefined);
  const rows: ImportRow[] = [];
  for await (const row of readRows(file, plan, options, createBadRows('skip'), () => undefined)) rows.push(row);
  expect(rows).toHaveLength(plan.rows);
  return { rows, rejected: badRows.examples };
}

const readStrictly = (format: InputFormat, content: string | Buffer, options: InputOptions = {}) =>
  read(format, content, options, 'stop');

describe('a CSV file', () => {
  it('becomes typed traits; an empty cell is no trait', async () => {
    const { rows } = await readStrictly(
      'csv',
      'identifier,age,spend,beta,zip\nada,36,1.5,true,007\nben,,2,false,123\n',
    );
    expect(rows).toEqual([
      { line: 2, identifier: 'ada', traits: { age: 36n, spend: 1.5, beta: true, zip: '007' } },
      { line: 3, identifier: 'ben', traits: { spend: 2, beta: false, zip: '123' } },
    ]);
  });

  it('may start with a byte order mark, quote cells over lines, and end lines with CR LF', async () => {
    const { rows } = await readStrictly('csv', '\uFEFFidentifier,note\r\n"ada","a ""b"",\nc"\r\nben,d');
    expect(rows.map(({ line, identifier, traits }) => [line, identifier, traits['note']])).toEqual([
      [3, 'ada', 'a "b",\nc'],
      [4, 'ben', 'd'],
    ]);
  });

  it('takes identifiers from `id` where there is no `identifier`, or from the column that is named', async () => {
    expect((await readStrictly('csv', 'id,a\n1,2\n')).rows[0]).toEqual({ line: 2, identifier: '1', traits: { a: 2n } });
    const { rows } = await readStrictly('csv', 'id,email\n7,a@b\n', { identifierColumn: 'email', idColumn: 'id' });
    expect(rows).toEqual([{ line: 2, identifier: 'a@b', id: 7n, traits: {} }]);
  });

  it('keeps a column named __proto__ as a trait', async () => {
    const { rows } = await readStrictly('csv', 'identifier,__proto__\nada,x\n');
    expect(Object.entries(rows[0]?.traits ?? {})).toEqual([['__proto__', 'x']]);
  });

  it('takes given types instead of those found', async () => {
    const { rows } = await readStrictly('csv', 'identifier,version\nada,1.10\n', {
      types: new Map([['version', 'string']]),
    });
    expect(rows[0]?.traits).toEqual({ version: '1.10' });
  });

  it.each([
    ['a row with too few cells', 'identifier,a\nada,1\nben\n', 'line 3: the row has 1 cells, the header 2'],
    ['a row with too many cells', 'identifier,a\nada,1,2\n', 'line 2: the row has 3 cells, the header 2'],
    ['a NUL character in a cell', 'identifier,a\nada,x\0y\n', 'line 2: a trait contains a NUL character: "a"'],
    [
      'a cell of 100,000 characters',
      `identifier,a\nada,${'x'.repeat(100_000)}\n`,
      'line 2: a trait is larger than 65536 bytes: "a"',
    ],
    ['an empty identifier', 'identifier,a\n,1\n', 'line 2: an identifier has at least 1 character'],
    [
      'an identifier that came before',
      'identifier,a\nada,1\nben,1\nada,2\n',
      'line 4: the identifier "ada" is that of line 2 already',
    ],
    [
      'an identifier of 2,001 characters',
      `identifier\n${'x'.repeat(2001)}\n`,
      'line 2: an identifier has at most 2000 characters',
    ],
  ])('with %s says so with its line, and can be read without it', async (_name, content, problem) => {
    await expect(readStrictly('csv', content)).rejects.toMatchObject({ reason: 'BAD_INPUT', message: problem });
    expect((await read('csv', content)).rejected).toEqual([problem]);
  });

  it('with bytes that are not UTF-8 says so with their line, wherever chunks end', async () => {
    const good = Buffer.from(`identifier,a\n${Array.from({ length: 40_000 }, (_, index) => `é${index},ü\n`).join('')}`);
    const content = Buffer.concat([good, Buffer.from([0xc3, 0x28, 0x2c, 0x31, 0x0a]), Buffer.from('last,1\n')]);
    await expect(readStrictly('csv', content)).rejects.toMatchObject({ message: 'line 40002: the row is not UTF-8' });
    const { rows, rejected } = await read('csv', content);
    expect([rows.length, rejected]).toEqual([40_001, ['line 40002: the row is not UTF-8']]);
  });

  it.each([
    ['the same name twice', 'identifier,a,a\n', 'line 1: two columns are named "a"'],
    ['a column without a name', 'identifier,,b\n', 'line 1: column 2 has no name'],
    [
      'a quote that is never closed',
      'identifier,a\nada,"x\nben,y\n',
      'line 2: a quote is opened in this row and never closed',
    ],
    [
      'something after a closing quote',
      'identifier,a\nada,"x"y\n',
      'line 2: a closing quote is followed by something other than a comma or the end of the row',
    ],
  ])('with %s is refused, even where bad rows are left out', async (_name, content, problem) => {
    await expect(read('csv', content)).rejects.toMatchObject({ reason: 'BAD_INPUT', message: problem });
  });

  it('with nothing in it, or no identifier column, is refused', async () => {
    await expect(read('csv', '')).rejects.toMatchObject({ reason: 'BAD_INPUT' });
    await expect(read('csv', 'name,age\n')).rejects.toMatchObject({ reason: 'USAGE' });
  });
});

describe('an NDJSON file', () => {
  it('keeps the difference between 1, 1.0 and "1", and integers of any size', async () => {
    const { rows } = await readStrictly(
      'ndjson',
      '{"identifier":"ada","traits":{"a":1,"b":1.0,"c":"1","d":123456789012345678901,"e":[1,{"f":null}]}}\n',
    );
    expect(rows).toEqual([
      { line: 1, identifier: 'ada', traits: { a: 1n, b: 1, c: '1', d: 123456789012345678901n, e: [1n, { f: null }] } },
    ]);
  });

  it('may be flat, have blank lines, and texts with any line separator but the line feed', async () => {
    const { rows } = await readStrictly(
      'ndjson',
      '\uFEFF{"identifier":"ada","age":36}\r\n\n{"identifier":"ben","note":"a\u2028b"}',
    );
    expect(rows).toEqual([
      { line: 1, identifier: 'ada', traits: { age: 36n } },
      { line: 3, identifier: 'ben', traits: { note: 'a\u2028b' } },
    ]);
  });

  it('may be what an export has written', async () => {
    const { rows } = await readStrictly('ndjson', '{"id":3,"identifier":"ada","traits":{"age":36}}\n');
    expect(rows).toEqual([{ line: 1, identifier: 'ada', traits: { age: 36n } }]);
  });

  it.each([
    ['what is not JSON', '{"identifier":"ada"\n', 'line 1: the line is not JSON'],
    ['what is no object', '[1]\n', 'line 1: the line is not a JSON object'],
    ['no identifier', '{"name":"ada"}\n', 'line 1: there is no text or integer in "identifier"'],
    [
      'members beside traits',
      '{"identifier":"ada","traits":{},"age":1}\n',
      'line 1: beside `traits` there are other members',
    ],
    [
      'lists nested too deep',
      `{"identifier":"ada","a":${'['.repeat(40)}${']'.repeat(40)}}\n`,
      'line 1: a trait is nested more than 32 levels deep: "a"',
    ],
    [
      'the same identifier twice',
      '{"identifier":"ada"}\n{"identifier":"ada"}\n',
      'line 2: the identifier "ada" is that of line 1 already',
    ],
  ])('with %s says so with its line', async (_name, content, problem) => {
    await expect(readStrictly('ndjson', content)).rejects.toMatchObject({ reason: 'BAD_INPUT', message: problem });
  });
});
