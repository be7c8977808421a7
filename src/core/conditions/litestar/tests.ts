import { RollcallError } from '../../errors.js';
import { pythonText } from '../../python/python-text.js';
import { compilePythonRegex } from '../../regex/python-regex.js';
import { isList } from '../../trait-text.js';
import type { TraitValue } from '../../values.js';
import type { Order } from '../compare.js';
import { readTime, type Time } from '../times/read-time.js';
import type { TypedTest } from '../typed-value.js';
import { compareDottedVersions, readDottedVersion } from './dotted-version.js';
import type { LitestarOperator } from './operators.js';
import { isEqual, isTruthy, orderOf } from './python-comparison.js';
import { compileTimeWindow } from './time-window.js';

/**
 * What the operators of litestar-flags mean, by operand. A value is compared as Python compares it, so a text is never a number. Where Python raises (types that have no
 * order), the test is false; so it is for an operand that the operator cannot read.
 */
export const LITESTAR_TESTS: Readonly<Record<LitestarOperator, (operand: TraitValue) => TypedTest>> = {
  eq: (operand) => (value) => isEqual(value, operand),
  gt: (operand) => ordered(operand, (order) => order > 0),
  gte: (operand) => ordered(operand, (order) => order >= 0),
  lt: (operand) => ordered(operand, (order) => order < 0),
  lte: (operand) => ordered(operand, (order) => order <= 0),
  in: (operand) => (isTruthy(operand) ? (value) => isWithin(value, operand) === true : () => false),
  not_in: (operand) => (isTruthy(operand) ? (value) => isWithin(value, operand) === false : () => true),
  contains: (operand) => (value) => isTruthy(value) && isWithin(operand, value) === true,
  not_contains: (operand) => (value) => !isTruthy(value) || isWithin(operand, value) === false,
  starts_with: (operand) => ofText(pythonText(operand), (text, part) => text.startsWith(part)),
  ends_with: (operand) => ofText(pythonText(operand), (text, part) => text.endsWith(part)),
  matches: compileMatches,
  semver_eq: (operand) => ofVersions(operand, (order) => order === 0),
  semver_gt: (operand) => ofVersions(operand, (order) => order > 0),
  semver_lt: (operand) => ofVersions(operand, (order) => order < 0),
  date_after: (operand) => ofDates(operand, (value, date) => value > date),
  date_before: (operand) => ofDates(operand, (value, date) => value < date),
  time_window: (operand) => ofTime(compileTimeWindow(operand)),
};

function ordered(operand: TraitValue, holds: (order: Order) => boolean): TypedTest {
  return (value) => {
    const order = orderOf(value, operand);
    return order !== undefined && holds(order);
  };
}

/** Python's `item in container`; undefined where that raises: a number within a text, anything within a number. */
function isWithin(item: TraitValue, container: TraitValue): boolean | undefined {
  if (typeof container === 'string') return typeof item === 'string' ? container.includes(item) : undefined;
  if (typeof container !== 'object' || container === null) return undefined;
  if (isList(container)) return container.some((other) => isEqual(item, other));
  if (typeof item === 'object' && item !== null) return undefined;
  return typeof item === 'string' && Object.hasOwn(container, item);
}

/** Over the value's text; false for what Python takes for false, "" and 0 among it. */
function ofText(operand: string, holds: (text: string, operand: string) => boolean): TypedTest {
  return (value) => isTruthy(value) && holds(pythonText(value), operand);
}

function compileMatches(operand: TraitValue): TypedTest {
  if (typeof operand !== 'string')
    throw new RollcallError('INVALID_OPERAND', 'the operand of matches must be a pattern, in quotes');
  const matches = compilePythonRegex(operand);
  return (value) => isTruthy(value) && matches(pythonText(value));
}

function ofVersions(operand: TraitValue, holds: (order: Order) => boolean): TypedTest {
  const version = readDottedVersion(pythonText(operand));
  if (version === undefined) return () => false;
  return (value) => {
    const read = readDottedVersion(pythonText(value));
    return read !== undefined && holds(compareDottedVersions(read, version));
  };
}

function ofDates(operand: TraitValue, holds: (value: bigint, date: bigint) => boolean): TypedTest {
  const date = readTime(operand)?.instant;
  return date === undefined ? () => false : ofTime(({ instant }) => holds(instant, date));
}

function ofTime(holds: (time: Time) => boolean): TypedTest {
  return (value) => {
    const time = readTime(value);
    return time !== undefined && holds(time);
  };
}
