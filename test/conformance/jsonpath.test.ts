import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { AtomIndex } from '../../src/core/atom-index/atom-index.js';
import { compileMatcher } from '../../src/core/conditions/matchers.js';
import { type Operator, OPERATORS } from '../../src/core/conditions/operators.js';
import {
  constantOf,
  type EnvironmentView,
  type IdentityView,
  parseProperty,
  resolveProperty,
} from '../../src/core/properties/properties.js';
import { formatTrait, isList, parseTrait } from '../../src/core/trait-text.js';
import type { TraitValue } from '../../src/core/values.js';

interface Fields {
  readonly [key: string]: TraitValue;
}

interface Context {
  readonly environment: EnvironmentView;
  /** Undefined for a context without an identity: there only what is constant has a value. */
  readonly identity: IdentityView | undefined;
}

const SEGMENT_KEY = '42';
const file = fields(parseTrait(readFileSync(new URL('jsonpath.json', import.meta.url), 'utf8').trim()));
const contexts = new Map(
  Object.entries(fields(file['contexts'])).map(([name, context]) => [name, readContext(fields(context))]),
);
const cases = list(file['cases']).map(fields);

describe('conditions on paths answer as the reference engine does', () => {
  test('there are cases to answer', () => {
    expect(cases.length).toBe(2448);
  });

  for (const [name, context] of contexts) {
    test(`in the context ${name}`, () => {
      const ofContext = cases.filter((one) => one['context'] === name);
      expect(ofContext.filter((one) => answerOf(one, context) !== one['expected'])).toEqual([]);
    });
  }
});

describe('the atom index answers as evaluating each condition does', () => {
  for (const [name, { environment, identity }] of contexts) {
    if (identity === undefined) continue;
    test(`in the context ${name}`, () => {
      const index = new AtomIndex(environment);
      const ofContext = cases.filter((one) => one['context'] === name && one['operator'] !== 'IS_NOT_SET');
      ofContext.forEach((one, atomId) => {
        const definition = {
          dialect: 'flagsmith',
          kind: 'path',
          property: text(one['property']),
          operand: text(one['operand']),
          list: '',
        } as const;
        index.add(atomId, { ...definition, operator: operatorOf(one), segmentKey: SEGMENT_KEY });
      });
      const born = new Set<number>();
      const gone = new Set<number>();
      index.flips(undefined, identity, (atomId, isSet) => isSet && born.add(atomId));
      index.flips(identity, undefined, (atomId, isSet) => !isSet && gone.add(atomId));
      const wrong = ofContext.filter(({ expected }, atomId) =>
        [index.evaluate(atomId, identity), born.has(atomId), gone.has(atomId)].some((answer) => answer !== expected),
      );
      expect(wrong).toEqual([]);
    });
  }
});

function answerOf(one: Fields, { environment, identity }: Context): boolean {
  const isNegated = one['operator'] === 'IS_NOT_SET';
  const operator = operatorOf(one);
  const property = parseProperty(text(one['property']), environment, operator);
  const value = identity === undefined ? constantOf(property)?.value : resolveProperty(property, identity);
  const isTrue =
    value !== undefined && compileMatcher(operator, text(one['operand']), { segmentKey: SEGMENT_KEY })(value);
  return isTrue !== isNegated;
}

function operatorOf(one: Fields): Operator {
  const name = one['operator'] === 'IS_NOT_SET' ? 'IS_SET' : text(one['operator']);
  return OPERATORS.find((operator) => operator === name) ?? expect.fail(`no operator ${name}`);
}

function readContext(context: Fields): Context {
  const { key, name } = fields(context['environment']);
  const identity = context['identity'];
  return {
    environment: { key: text(key), name: text(name) },
    identity: identity === undefined ? undefined : readIdentity(fields(identity)),
  };
}

function readIdentity({ identifier, key, traits }: Fields): IdentityView {
  const texts = Object.entries(fields(traits)).map(([trait, value]) => [trait, formatTrait(value)] as const);
  return { id: 1, identifier: text(identifier), key: text(key), traits: new Map(texts) };
}

function fields(value: TraitValue | undefined): Fields {
  if (typeof value !== 'object' || value === null || isList(value)) return expect.fail('not an object');
  return value;
}

function list(value: TraitValue | undefined): readonly TraitValue[] {
  return typeof value === 'object' && value !== null && isList(value) ? value : expect.fail('not a list');
}

function text(value: TraitValue | undefined): string {
  return typeof value === 'string' ? value : expect.fail('not a string');
}
