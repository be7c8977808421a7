import { readPythonFloat, readPythonInt } from '../../python/python-numbers.js';
import { formatTrait } from '../../trait-text.js';
import type { TraitValue } from '../../values.js';
import { compareText, type Order } from '../compare.js';
import { readTime } from '../times/read-time.js';
import type { TypedTest } from '../typed-value.js';
import type { MozhnoOperand } from './operand.js';
import type { MozhnoOperator, MozhnoType } from './operators.js';
import { compareLooseVersions, readLooseVersion } from './loose-version.js';

/**
 * What the operators of Mozhno mean, by operand: true where any of its values satisfies the operator. There everything is text, so a number's or boolean's text is its
 * JSON (18, 1.5, true). What cannot be read as the rule's type satisfies nothing, "not equal" neither.
 */
export const MOZHNO_TESTS: Readonly<Record<MozhnoOperator, (operand: MozhnoOperand) => TypedTest>> = {
  in: ({ values }) => ofTexts(values, (text, others) => others.includes(text)),
  eq: (operand) => ofEquality(operand, true),
  ne: (operand) => ofEquality(operand, false),
  gt: (operand) => ordered(operand, (order) => order > 0),
  gte: (operand) => ordered(operand, (order) => order >= 0),
  lt: (operand) => ordered(operand, (order) => order < 0),
  lte: (operand) => ordered(operand, (order) => order <= 0),
  contains: ({ values }) => ofTexts(values, (text, parts) => parts.some((part) => text.includes(part))),
};

/** A value's text: a string as it is, anything else its JSON. */
function mozhnoText(value: TraitValue): string {
  return typeof value === 'string' ? value : formatTrait(value);
}

function ofTexts(
  values: readonly TraitValue[],
  holds: (text: string, others: readonly string[]) => boolean,
): TypedTest {
  const texts = values.map(mozhnoText);
  return (value) => holds(mozhnoText(value), texts);
}

/** Only numbers are equal by what they mean; times and versions by their text, as in Mozhno. */
function ofEquality({ type, values }: MozhnoOperand, isEqual: boolean): TypedTest {
  if (type !== 'number') return ofTexts(values, (text, others) => others.some((other) => (text === other) === isEqual));
  return ordered({ type, values }, (order) => (order === 0) === isEqual);
}

function ordered({ type, values }: MozhnoOperand, holds: (order: Order) => boolean): TypedTest {
  const ordersOf = values.map(ORDERS[type]);
  return (value) =>
    ordersOf.some((orderOf) => {
      const order = orderOf(value);
      return order !== undefined && holds(order);
    });
}

type OrderOf = (value: TraitValue) => Order | undefined;

/** How a value is ordered against an operand's value; undefined where one of them is not of the type. */
const ORDERS: Readonly<Record<MozhnoType, (operand: TraitValue) => OrderOf>> = {
  string: (operand) => (value) => compareText(mozhnoText(value), mozhnoText(operand)),
  number: by(readNumber, compare),
  time: by((value) => readTime(value)?.instant, compare),
  semver: by((value) => readLooseVersion(mozhnoText(value)), compareLooseVersions),
};

function by<Read>(
  read: (value: TraitValue) => Read | undefined,
  compareRead: (a: Read, b: Read) => Order,
): (operand: TraitValue) => OrderOf {
  return (operand) => {
    const other = read(operand);
    if (other === undefined) return () => undefined;
    return (value) => {
      const own = read(value);
      return own === undefined ? undefined : compareRead(own, other);
    };
  };
}

const NUMERAL = /^\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*$/;

/** A number, or the text of one; an integer of any size stays exact. */
function readNumber(value: TraitValue): bigint | number | undefined {
  if (typeof value === 'bigint' || typeof value === 'number') return value;
  if (typeof value !== 'string' || !NUMERAL.test(value)) return undefined;
  return readPythonInt(value) ?? readPythonFloat(value);
}

function compare<Read extends bigint | number>(a: Read, b: Read): Order {
  if (a < b) return -1;
  return a > b ? 1 : 0;
}
