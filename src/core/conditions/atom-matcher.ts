import type { AtomDefinition } from '../atoms.js';
import { parseTrait } from '../trait-text.js';
import { LITESTAR_TESTS } from './litestar/tests.js';
import { compileMatcher, type Matcher } from './matchers.js';
import { readMozhnoOperand } from './mozhno/operand.js';
import { MOZHNO_TESTS } from './mozhno/tests.js';
import { readTyped, type TypedTest } from './typed-value.js';

/**
 * Reads an atom's operand once; the matcher takes what `resolveProperty` gives for the atom's property. `list` holds the values of its stored list. Throws as
 * `compileMatcher` does.
 */
export function compileAtomMatcher(atom: AtomDefinition, list?: ReadonlySet<string>): Matcher {
  switch (atom.dialect) {
    case 'flagsmith':
      return compileMatcher(atom.operator, atom.operand, { segmentKey: atom.segmentKey, list });
    case 'litestar':
      return matcherOf(LITESTAR_TESTS[atom.operator](parseTrait(atom.operand)));
    case 'mozhno':
      return matcherOf(MOZHNO_TESTS[atom.operator](readMozhnoOperand(parseTrait(atom.operand))));
  }
}

function matcherOf(test: TypedTest): Matcher {
  return (text) => {
    const value = readTyped(text);
    return value !== undefined && test(value);
  };
}

/** The values that an atom is true of, as `resolveProperty` gives them, where it is true of no others and they can be listed: texts. */
export function membersOf(atom: AtomDefinition): ReadonlySet<string> | undefined {
  if (atom.dialect !== 'litestar' || (atom.operator !== 'eq' && atom.operator !== 'in')) return undefined;
  const operand = parseTrait(atom.operand);
  const isList = atom.operator === 'in' && Array.isArray(operand);
  const texts: readonly unknown[] = isList ? operand : [operand];
  if (atom.operator === 'in' && !isList) return undefined;
  return texts.every((text) => typeof text === 'string')
    ? new Set(texts.map((text) => JSON.stringify(text)))
    : undefined;
}
