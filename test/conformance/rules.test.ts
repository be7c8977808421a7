import { describe, expect, it } from 'vitest';
import { compileSegment } from '../../src/core/compile.js';
import { holds } from '../../src/core/predicates.js';
import { isAtomTrue } from '../helpers/oracle.js';
import { readRuleCases } from './rule-cases.js';

describe('the rule trees of the reference engine', () => {
  const cases = readRuleCases();

  it('are all read', () => {
    expect(cases).toHaveLength(45);
  });

  it.each(cases)('have the same answer here: $name', ({ identity, segmentKey, definition, expected, ...of }) => {
    const environment = { ...of.environment, identityKeyMode: 'composite' } as const;
    const { predicate } = compileSegment(segmentKey, definition, { environment, definitionOf: () => undefined });
    expect(holds(predicate, (_, atom) => isAtomTrue(atom, identity, { environment }))).toBe(expected);
  });
});
