import fc from 'fast-check';
import type { AtomDefinition } from '../../src/core/atoms.js';
import { type Operator, OPERATORS } from '../../src/core/conditions/operators.js';
import type { ConditionValue } from '../../src/core/values.js';

const OPERANDS = [
  '',
  ' 1',
  '+1',
  '1_0',
  '1',
  '01',
  '-1',
  '0',
  '10',
  '21.0',
  '1e3',
  '1.5',
  '-0.0',
  'nan',
  'inf',
  '-inf',
  '１',
  '9007199254740993',
  'True',
  'False',
  'false',
  'a',
  'ab',
  'b',
  'aa',
  'é',
  '\uFF5E',
  '\u{1F600}',
  '1.0.0:semver',
  '1.0.0-rc.1:semver',
  '1.0:semver',
  ':semver',
  'rc.1:semver',
];
const LISTS = ['a,b', '1,2,10', '["a", 1, 1.5, true]', '[', 'a, b', '[]', ' 1,+1', 'true,True,1.5'];
const MODULI = ['2|0', '4|3', '1.5|0', '-3|-1', '2', 'a|b', ''];
const PATTERNS = ['', 'a', '.*b', '[0-9]+$', 'True', '^1', '(a|é)+'];
const PERCENTAGES = ['0', '30', '50', '99.9', '100', 'x', ' 1_0 '];

const OPERANDS_OF: Partial<Record<Operator, readonly string[]>> = {
  IN: [...LISTS, ...OPERANDS],
  MODULO: MODULI,
  REGEX: PATTERNS,
  PERCENTAGE_SPLIT: PERCENTAGES,
  IS_SET: [''],
};

/** Atoms of every operator over a property, with ordinary and odd operands. */
export function atomDefinitions(
  properties: fc.Arbitrary<Pick<AtomDefinition, 'kind' | 'property'>>,
): fc.Arbitrary<AtomDefinition> {
  return fc.constantFrom(...OPERATORS).chain((operator) =>
    fc
      .record({
        dialect: fc.constant('flagsmith' as const),
        operator: fc.constant(operator),
        operand: fc.constantFrom(...(OPERANDS_OF[operator] ?? OPERANDS)),
        list: fc.constant(''),
        segmentKey: operator === 'PERCENTAGE_SPLIT' ? fc.constantFrom('1', '2') : fc.constant(''),
      })
      .chain((atom) => properties.map((property) => ({ ...atom, ...property }))),
  );
}

/** Values of every type, many of them at or beside the operands above. */
export const conditionValues: fc.Arbitrary<ConditionValue> = fc.oneof(
  fc.constantFrom(
    '',
    'a',
    'ab',
    'aa',
    'b',
    ' b',
    'é',
    '\uFF5E',
    '\u{1F600}',
    '1.0.0',
    '1.0.0-rc.1',
    '2.0.0',
    '1.0',
    'True',
    '1e3',
    ' 1',
    '+1',
    'nan',
  ),
  fc.constantFrom(-1n, 0n, 1n, 2n, 3n, 10n, 1000n, 9007199254740992n, 9007199254740993n),
  fc.constantFrom(-0, 0, 1, 1.5, 1000, -1.5, 10, Infinity, -Infinity),
  fc.boolean(),
  fc.string({ unit: 'grapheme', maxLength: 3 }),
  fc.bigInt({ min: -20n, max: 20n }),
  fc.double({ noNaN: true }),
);
