import { describe, expect, test } from 'vitest';
import { firstNode, parseJsonPath } from '../../../src/core/properties/json-path.js';
import { parseTrait } from '../../../src/core/trait-text.js';

const document = parseTrait(`{
  "a": {"b": [10, 20.5, "x\u{1F600}", null, {"c": 9007199254740993}], "d.e": true, "d": "text"},
  "numbers": [0.5, 0.25, 2, 2.0], "__proto__": "own"
}`);

function answerOf(text: string): unknown {
  const path = parseJsonPath(text);
  return path === undefined ? 'no path' : firstNode(path, document);
}

describe('a path', () => {
  test.each<[string, unknown]>([
    ['$.a.b[0]', 10n],
    ['$.a.b[1]', 20.5],
    ['$.a.b[-1].c', 9007199254740993n],
    ['$.a.b[9]', undefined],
    ['$.a.b[-9]', undefined],
    ['$.a.b.length', undefined],
    ['$.a.d[0]', undefined],
    ["$.a['d.e']", true],
    ['$["a"]["d"]', 'text'],
    ['$.a.constructor', undefined],
    ['$.__proto__', 'own'],
    ['$..c', 9007199254740993n],
    ['$.a.b[1:]', 20.5],
    ['$.a.b[::-1].c', 9007199254740993n],
    ['$.a.b[?@ > 15]', 20.5],
    ['$.a.b[?length(@) == 2]', 'x\u{1F600}'],
    ['$.numbers[?@ == 0.5]', 0.5],
    ['$.numbers[?@<0.5e0]', 0.25],
    ['$.numbers[?@ > 0.05e1]', 2n],
    ["$.a[?@ == '0.5']", undefined],
    ["$.a.b[?match(@, 'x.')]", 'x\u{1F600}'],
    ["$.a.b[?match(@, 'x')]", undefined],
    ["$.a[?search(@, 'e[a-z]')]", 'text'],
    ["$.a[?search(@, '(')]", undefined],
  ])('%s leads to its first node, exactly', (text, expected) => {
    expect(answerOf(text)).toBe(expected);
  });

  test.each([
    '$.',
    '$..',
    '$. a',
    '$.a ',
    '$.a[',
    "$.a['b",
    '$.a[01]',
    '$.a[-0]',
    '$.a[?@.b == 00.5]',
    '$.a[?@.b = 1]',
    '$.a[]',
    '$.\u{1F600}',
    '$.1',
    'a',
    '',
  ])('is not what %j is', (text) => {
    expect(parseJsonPath(text)).toBeUndefined();
  });

  test('may have any character within quotes', () => {
    expect(parseJsonPath("$['\u{1F600}']")?.steps).toEqual(['\u{1F600}']);
  });

  test.each([
    '$.a[?nope(@)]',
    '$.a[?length(@)]',
    '$.a[?count(1) > 1]',
    '$.a[9007199254740992]',
    '$.a[?@.* == 1]',
    '$.a[?length(@.*) == 1]',
  ])('that could not be evaluated is refused: %s', (text) => {
    expect(() => parseJsonPath(text)).toThrow(
      expect.objectContaining({ reason: 'INVALID_SEGMENT', metadata: { property: text } }),
    );
  });

  test('matches patterns in linear time', () => {
    const hostile = parseTrait(`["${'a'.repeat(5000)}!"]`);
    const path = parseJsonPath("$[?match(@, '(a*)*b')]");
    const start = performance.now();
    expect(path && firstNode(path, hostile)).toBeUndefined();
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
