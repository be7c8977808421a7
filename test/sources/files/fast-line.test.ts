import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnreadTraits } from '../../../src/core/unread-traits.js';
import { type MemberChoice, readCarefully, type Reading } from '../../../src/sources/files/careful-line.js';
import { createFastReader } from '../../../src/sources/files/fast-line.js';

const CHOICES: readonly MemberChoice[] = [
  { identifierMember: 'identifier' },
  { identifierMember: 'identifier', idMember: 'id' },
  { identifierMember: 'email', keepsNulls: true },
];
const readers = CHOICES.map((choice) => ({ choice, readFast: createFastReader(choice) }));

/** Whether the fast way took a line; where it did, it gave what the careful way gives. */
function agrees(line: string, { choice, readFast }: (typeof readers)[number]): boolean {
  const before = '{"identifier":"before"}\n';
  const fast = readFast(`${before}${line}\n{"identifier":"after"}\n`, before.length, before.length + line.length);
  if (fast === undefined) return false;
  const careful = readCarefully(line, choice);
  const sorted = (row: Reading) => ('traits' in row ? { ...row, traits: new Map([...row.traits].sort()) } : row);
  expect(sorted(fast)).toEqual(sorted(careful));
  if (fast.traits instanceof UnreadTraits) expect(readObject(fast.traits.text)).toEqual(readMembers(fast.traits));
  return true;
}

const readObject = (text: string): unknown => JSON.parse(text);
const readMembers = (traits: ReadonlyMap<string, string>): unknown =>
  Object.fromEntries([...traits].map(([key, text]) => [key, JSON.parse(text) as unknown]));

const scalar = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constantFrom(null, 0, -0, 1e21, 1e-7, 'x'.repeat(22_000), 'é'.repeat(30_000), '\u2028', '\ud800'),
);
const value = fc.oneof({ weight: 4, arbitrary: scalar }, fc.array(scalar), fc.dictionary(fc.string(), scalar));
const name = fc.oneof(
  fc.constantFrom('a', 'plan', 'id', 'traits', 'identifier', 'email', '__proto__', 'é', '$.identity.key', ''),
  fc.string({ unit: 'binary' }),
);
const members = fc.array(fc.tuple(name, value), { maxLength: 6 });
const NUMBERS = [
  '1',
  '-0',
  '-0.0',
  '1.0',
  '1.50',
  '1e3',
  '1E-2',
  '007',
  '1.',
  '.5',
  '+1',
  '123456789012345678901',
  '0.1234567890123456789',
];
const object = members.map((entries) => textOf(entries));
const rawNumber = fc.constantFrom(...NUMBERS).map((text) => `{"identifier":"ada","traits":{"n":${text}}}`);
const identity = fc
  .tuple(
    fc.constantFrom('identifier', 'email'),
    fc.oneof(fc.string(), fc.integer()),
    members,
    fc.boolean(),
    fc.boolean(),
  )
  .map(([key, identifier, entries, isFlat, hasId]) =>
    textOf([
      [key, identifier],
      ...(hasId ? ([['id', 7]] as const) : []),
      ...(isFlat ? entries : ([['traits', Object.fromEntries(entries)]] as const)),
    ]),
  );

function textOf(entries: readonly (readonly [string, unknown])[]): string {
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}: ${JSON.stringify(inner)}`).join(', ')}}`;
}

/** A text with some characters dropped, doubled or exchanged. */
const mutated = (text: fc.Arbitrary<string>) =>
  fc
    .tuple(
      text,
      fc.array(
        fc.tuple(
          fc.nat(),
          fc.constantFrom('', '"', '\\', '{', '}', '[', ']', ',', ':', ' ', '\t', '0', '-', '.', 'e', '\u0001', 'null'),
        ),
      ),
    )
    .map(([line, edits]) =>
      edits.reduce((changed, [at, put]) => {
        const index = at % (changed.length + 1);
        return `${changed.slice(0, index)}${put}${changed.slice(index + (at % 2))}`;
      }, line),
    )
    .filter((line) => !line.includes('\n') && line.isWellFormed());

describe('the fast way to read a line', () => {
  it('gives what the careful way gives, or leaves the line to it', () => {
    let taken = 0;
    const line = fc.oneof(object, identity, rawNumber, mutated(identity), mutated(rawNumber));
    fc.assert(
      fc.property(
        line.filter((text) => text.isWellFormed()),
        (text) => {
          for (const reader of readers) if (agrees(text, reader)) taken += 1;
        },
      ),
      { numRuns: 3_000 },
    );
    expect(taken).toBeGreaterThan(500);
  });

  it.each([
    '{"identifier":"ada","traits":{"plan":"pro","age":36,"score":-1.25,"beta":true,"gone":null}}',
    '{"identifier": "ada", "traits": {"list": [1, {"a": "b]"}], "text": "say \\"hi\\" \\u00e9", "spend": 1.50}}',
    '{"id":3,"identifier":"ada","traits":{}}',
    '{"age":36,"identifier":12}',
  ])('takes %s', (line) => {
    expect(agrees(line, readers[0] ?? expect.fail())).toBe(true);
  });

  it.each([
    ['{"plan": "pro","age":36 , "score":-1.25,"zero":0,"one":1.0,"beta":true,"gamma":false,"é":"é"}', true],
    ['{"a":1,"a":2}', true],
    ['{}', false],
    ['{"gone":null}', false],
    ['{"list":[1]}', false],
    ['{"text":"say \\"hi\\""}', false],
    ['{"spend":1.50}', false],
    ['{"spend":-0.0}', false],
    ['{"spend":1234567890.123456}', false],
  ])('leaves the traits %s as they are: %s', (traits, isUnread) => {
    const line = `{"identifier":"ada","traits":${traits}}`;
    const [reader = expect.fail()] = readers;
    expect(agrees(line, reader)).toBe(true);
    expect(reader.readFast(line, 0, line.length)?.traits instanceof UnreadTraits).toBe(isUnread);
  });

  it.each([
    '{"identifier":"ada","a":"x\u0001"}',
    '{"identifier":"ada","a":tru}',
    '{"identifier":"ada","a":1}}',
    '{"identifier":"ada","a":[1,]}',
    '{"identifier":"ada","a":"\\ud800"}',
    '{"identifier":"ada","a":"\\x"}',
    '{"identifier":"ada","identifier":"ben"}',
    `{"identifier":"ada","a":${'['.repeat(40)}${']'.repeat(40)}}`,
    '{"identifier":"","a":1}',
    '{"identifier":"ada","a":',
    '',
  ])('leaves %s to the careful way', (line) => {
    expect(agrees(line, readers[0] ?? expect.fail())).toBe(false);
  });
});
