import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atomsOfTree, checkSegment, type CompileContext, compileSegment } from '../../src/core/compile.js';
import { RollcallError } from '../../src/core/errors.js';
import { atomsOf, holds } from '../../src/core/predicates.js';
import type { Condition, Rule, SegmentDefinition } from '../../src/core/segments.js';
import { MAX_CONDITIONS, MAX_RULE_DEPTH } from '../../src/core/segments.js';
import { isAtomTrue, isMember } from '../helpers/oracle.js';
import { runs, segmentSets, traitMaps } from '../helpers/random-segments.js';

const environment = { key: 'env', name: 'Env', identityKeyMode: 'composite' } as const;

function contextOf(definitions: Readonly<Record<string, SegmentDefinition>>): CompileContext {
  const byKey = new Map(Object.entries(definitions));
  return { environment, definitionOf: (key) => byKey.get(key) };
}

function segment(conditions: readonly Condition[], rest: Partial<SegmentDefinition> = {}): SegmentDefinition {
  return { dialect: 'flagsmith', enabled: true, parent: '', rules: [{ type: 'ALL', conditions, rules: [] }], ...rest };
}

const isPro: Condition = { property: 'plan', operator: 'EQUAL', value: 'pro' };
const inSegment = (key: string): Condition => ({ property: '', operator: 'in_segment', value: key });

function refusal(
  definition: SegmentDefinition,
  others: Readonly<Record<string, SegmentDefinition>> = {},
): { reason: string; metadata: Readonly<Record<string, string>> } {
  try {
    checkSegment('s', definition, contextOf({ ...others, s: definition }));
  } catch (error) {
    if (error instanceof RollcallError) return error;
  }
  throw new Error('it was not refused');
}

describe('a compiled segment', () => {
  it('is true of an identity exactly where walking its rules says so', () => {
    fc.assert(
      fc.property(segmentSets(4), traitMaps, fc.integer({ min: 0, max: 3 }), (definitions, traits, user) => {
        const identity = { id: user, identifier: `user-${user}`, key: `env_user-${user}`, traits };
        const context = { environment, definitionOf: (key: string) => definitions.get(key) };
        for (const [key, definition] of definitions) {
          const { predicate } = compileSegment(key, definition, context);
          const isTrue = holds(predicate, (_, atom) => isAtomTrue(atom, identity, { environment }));
          expect(isTrue, key).toBe(isMember(key, identity, { environment, definitions }));
        }
      }),
      { numRuns: runs(150) },
    );
  });

  it('shares the atoms of equal conditions with other segments, but for PERCENTAGE_SPLIT, which hashes its key', () => {
    const split: Condition = { property: '', operator: 'PERCENTAGE_SPLIT', value: '50' };
    const keysOf = (key: string, condition: Condition): string[] => [
      ...atomsOf(compileSegment(key, segment([condition]), contextOf({})).predicate).keys(),
    ];
    expect(keysOf('a', isPro)).toEqual(keysOf('b', isPro));
    expect(keysOf('a', split)).not.toEqual(keysOf('b', split));
    expect(keysOf('a', { property: 't', operator: 'IN', value: 'x,y' })).toEqual(
      keysOf('a', { property: 't', operator: 'IN', value: '["y","x"]' }),
    );
  });

  it('keeps the environment out of its atoms', () => {
    const { predicate } = compileSegment(
      's',
      segment([isPro, { property: '$.environment.name', operator: 'EQUAL', value: 'Env' }]),
      contextOf({}),
    );
    expect([...atomsOf(predicate).values()].map(({ property, kind }) => [kind, property]).sort()).toEqual([
      ['trait', '$.environment.name'],
      ['trait', '$.environment.name'],
      ['trait', 'plan'],
    ]);
  });

  it('has no members where it has no rules, is disabled, or has an ancestor that is', () => {
    const nobody = { kind: 'nobody' };
    const off = segment([isPro], { enabled: false });
    const child = segment([], { parent: 'off' });
    const others = { off, child };
    expect(compileSegment('s', segment([], { rules: [] }), contextOf({})).predicate).toMatchObject(nobody);
    expect(compileSegment('s', off, contextOf({})).predicate).toMatchObject(nobody);
    expect(compileSegment('s', segment([], { parent: 'child' }), contextOf(others)).predicate).toMatchObject(nobody);
    expect(
      compileSegment('s', segment([{ property: '', operator: 'not_in_segment', value: 'off' }]), contextOf(others))
        .predicate,
    ).toMatchObject({ kind: 'everyone' });
  });

  it('has the atoms of every condition in its tree, also those that its predicate lost', () => {
    const definition = segment([isPro], { enabled: false });
    const compiled = compileSegment('s', definition, contextOf({}));
    expect(atomsOf(compiled.predicate).size).toBe(0);
    expect(atomsOfTree(compiled).size).toBe(1);
  });

  it('is compiled in time though its references fan out', () => {
    const definitions: Record<string, SegmentDefinition> = { s0: segment([isPro]) };
    for (let index = 1; index <= 60; index++)
      definitions[`s${index}`] = segment([inSegment(`s${index - 1}`), inSegment(`s${index - 1}`)], {
        parent: `s${index - 1}`,
      });
    const last = definitions['s60'];
    const compiled = last && compileSegment('s60', last, contextOf(definitions));
    expect(compiled && atomsOf(compiled.predicate).size).toBe(1);
    expect(compiled && atomsOfTree(compiled).size).toBe(1);
  });
});

describe('a segment is refused', () => {
  it('with an unknown operator, naming it', () => {
    expect(refusal(segment([{ property: 'plan', operator: 'ALMOST', value: '' }]))).toMatchObject({
      reason: 'UNKNOWN_OPERATOR',
      metadata: { operator: 'ALMOST' },
    });
  });

  it('with a bad pattern, a pattern that RE2 lacks, and 0 as a divisor', () => {
    expect(refusal(segment([{ property: 'plan', operator: 'REGEX', value: '(' }])).reason).toBe('INVALID_OPERAND');
    expect(refusal(segment([{ property: 'plan', operator: 'REGEX', value: '(?=a)' }])).reason).toBe(
      'UNSUPPORTED_PATTERN',
    );
    expect(refusal(segment([{ property: 'plan', operator: 'MODULO', value: '0|1' }])).reason).toBe('INVALID_OPERAND');
  });

  it('with a reference to nothing, in a condition or as its parent', () => {
    expect(refusal(segment([inSegment('nothing')])).reason).toBe('UNKNOWN_REFERENCE');
    expect(refusal(segment([], { parent: 'nothing' })).reason).toBe('UNKNOWN_REFERENCE');
  });

  it('with a cycle of parents and references, naming the chain', () => {
    expect(refusal(segment([inSegment('s')])).reason).toBe('SEGMENT_CYCLE');
    const others = { a: segment([inSegment('b')]), b: segment([], { parent: 's' }) };
    const { reason, metadata } = refusal(segment([inSegment('a')]), others);
    expect(reason).toBe('SEGMENT_CYCLE');
    expect(metadata['chain']?.match(/\w+/g)).toEqual(['s', 'a', 'b', 's']);
  });

  it('when it is too large, though 10 levels, 100 conditions and 1,000 characters are fine', () => {
    const nested = (depth: number): Rule => ({
      type: 'ALL',
      conditions: [isPro],
      rules: depth > 1 ? [nested(depth - 1)] : [],
    });
    const many = (count: number): Condition[] =>
      Array.from({ length: count }, (_, index) => ({ ...isPro, value: String(index) }));
    expect(refusal(segment([], { rules: [nested(MAX_RULE_DEPTH + 1)] })).reason).toBe('INVALID_SEGMENT');
    expect(refusal(segment(many(MAX_CONDITIONS + 1))).reason).toBe('INVALID_SEGMENT');
    const fine = segment([...many(99), { ...isPro, value: 'x'.repeat(1000) }], { rules: [nested(10)] });
    expect(() => checkSegment('s', fine, contextOf({}))).not.toThrow();
  });

  it('when references to references multiply it beyond what one identity can be tested with', () => {
    const others: Record<string, SegmentDefinition> = { s0: segment([isPro]) };
    for (let index = 1; index <= 40; index++) {
      const of = (operator: string, value: string): Rule => ({
        type: 'ALL',
        rules: [],
        conditions: [
          { property: '', operator, value: `s${index - 1}` },
          { property: `p${index}`, operator: 'EQUAL', value },
        ],
      });
      others[`s${index}`] = segment([], {
        rules: [{ type: 'ANY', conditions: [], rules: [of('in_segment', 'a'), of('not_in_segment', 'b')] }],
      });
    }
    expect(refusal(segment([inSegment('s40')]), others).reason).toBe('INVALID_SEGMENT');
    expect(() => compileSegment('s', segment([inSegment('s10')]), contextOf(others))).not.toThrow();
  });

  it('with a stored list for any operator but IN', () => {
    expect(refusal(segment([{ ...isPro, list: { name: 'l', sha256: 'ff' } }])).reason).toBe('INVALID_OPERAND');
  });
});
