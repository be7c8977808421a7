import { describe, expect, test } from 'vitest';
import { checkTrait, DEFAULT_TRAIT_LIMITS, MAX_TRAIT_DEPTH } from '../../src/core/check-trait.js';
import type { TraitValue } from '../../src/core/values.js';

function nested(depth: number): TraitValue {
  return depth === 0 ? 1n : depth % 2 === 0 ? [nested(depth - 1)] : { inner: nested(depth - 1) };
}

function check(key: string, value: TraitValue): void {
  checkTrait(key, value, DEFAULT_TRAIT_LIMITS);
}

describe('a trait', () => {
  test.each<[string, TraitValue]>([
    ['', ''],
    ['name', 'Zoë 😀'],
    ['k'.repeat(512), null],
    ['long', 'x'.repeat(64 * 1024 - 2)],
    ['huge', 10n ** 60_000n],
    ['deep', nested(MAX_TRAIT_DEPTH)],
    ['float', Number.MAX_VALUE],
  ])('is accepted (%#)', (key, value) => {
    expect(() => check(key, value)).not.toThrow();
  });

  test.each<[string, string, TraitValue]>([
    ['a NUL character', 'a', 'x\0y'],
    ['a NUL character', 'a', { b: ['\0'] }],
    ['a NUL character', 'a', { '\0': 1n }],
    ['a key that contains a NUL character', 'a\0', 1n],
    ['half of a surrogate pair', 'a', '\ud83d'],
    ['half of a surrogate pair', 'a', [{ '\ude00': 1n }]],
    ['half of a surrogate pair', '\ud83d', 1n],
    ['not a finite number', 'a', NaN],
    ['not a finite number', 'a', [Infinity]],
    ['nested more than', 'a', nested(MAX_TRAIT_DEPTH + 1)],
    ['nested more than', 'a', nested(5000)],
    ['larger than', 'a', 'x'.repeat(1024 * 1024)],
    ['larger than', 'a', 'é'.repeat(40_000)],
    ['larger than', 'a', 10n ** 70_000n],
    ['a key of more than', 'k'.repeat(513), 1n],
    ['a key of more than', 'é'.repeat(300), 1n],
  ])('with %s is refused (%#)', (message, key, value) => {
    expect(() => check(key, value)).toThrow(expect.objectContaining({ reason: 'INVALID_TRAIT' }));
    expect(() => check(key, value)).toThrow(message);
  });

  test('that is refused is named by its key, shortened to what a text may hold', () => {
    expect(() => check(`a\0${'b'.repeat(600)}`, 1n)).toThrow(
      expect.objectContaining({ metadata: { trait: `a\uFFFD${'b'.repeat(62)}` } }),
    );
    expect(() => check('x\ud83d', 1n)).toThrow(expect.objectContaining({ metadata: { trait: 'x\uFFFD' } }));
  });
});
