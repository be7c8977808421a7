import type { AtomTest } from '../atoms.js';
import { RollcallError } from '../errors.js';
import { and, NOBODY, not, or, type Predicate } from '../predicates.js';
import type { Condition, Dialect } from '../segments.js';
import { formatTrait, isList, parseTrait } from '../trait-text.js';
import type { TraitValue } from '../values.js';
import { LITESTAR_OPERATORS, type LitestarOperator } from './litestar/operators.js';
import { isTruthy } from './litestar/python-comparison.js';
import { formatMozhnoOperand, readMozhnoOperand } from './mozhno/operand.js';
import { MOZHNO_OPERATORS } from './mozhno/operators.js';

/** A dialect whose operators see values with the types that they were given. */
export type TypedDialect = Exclude<Dialect, 'flagsmith'>;

/** An operator of a dialect with its operand, made ready for an atom. */
export type TypedTestDefinition = Extract<AtomTest, { readonly dialect: TypedDialect }> & { readonly operand: string };

/** The predicates over the condition's property that a condition is put together from. */
export interface TypedLeaves {
  test(definition: TypedTestDefinition): Predicate;
  isSet(): Predicate;
}

/**
 * What a condition becomes. An atom is false for a missing value, so what is true there is a negation of one. Throws UNKNOWN_OPERATOR, and INVALID_OPERAND where the
 * operand is not JSON or is a stored list.
 */
export function typedPredicate(dialect: TypedDialect, condition: Condition, leaves: TypedLeaves): Predicate {
  const predicate = named(condition, () =>
    PREDICATES[dialect](condition.operator, () => readOperand(condition), leaves),
  );
  if (predicate !== undefined) return predicate;
  const operator = condition.operator.slice(0, 100);
  throw new RollcallError('UNKNOWN_OPERATOR', `the operator '${operator}' is not known`, {
    metadata: { operator, property: condition.property },
  });
}

/** What is wrong with an operand names the condition. */
function named<Result>({ property, operator, value }: Condition, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RollcallError) || error.reason !== 'INVALID_OPERAND') throw error;
    const metadata = { operator, operand: value, property, ...error.metadata };
    throw new RollcallError(error.reason, error.message, { metadata, cause: error.cause });
  }
}

type PredicateOf = (operator: string, operand: () => TraitValue, leaves: TypedLeaves) => Predicate | undefined;

const PREDICATES: Readonly<Record<TypedDialect, PredicateOf>> = {
  litestar: litestarPredicate,
  mozhno: mozhnoPredicate,
};

function litestarPredicate(operator: string, operand: () => TraitValue, leaves: TypedLeaves): Predicate | undefined {
  switch (operator) {
    case 'eq':
      return litestarEqual(operand(), leaves);
    case 'ne':
      return not(litestarEqual(operand(), leaves));
    case 'in':
      return litestarIn(operand(), leaves);
    case 'not_in':
      return litestarNotIn(operand(), leaves);
    case 'not_contains':
      return litestarUnless('not_contains', operand(), leaves);
    default: {
      const known = LITESTAR_OPERATORS.find((name) => name === operator);
      return known && litestarTest(known, operand(), leaves);
    }
  }
}

function litestarTest(operator: LitestarOperator, operand: TraitValue, leaves: TypedLeaves): Predicate {
  return leaves.test({ dialect: 'litestar', operator, operand: formatTrait(operand) });
}

/** A missing value is null, and null equals nothing else. */
function litestarEqual(operand: TraitValue, leaves: TypedLeaves): Predicate {
  return operand === null ? not(leaves.isSet()) : litestarTest('eq', operand, leaves);
}

function litestarIn(operand: TraitValue, leaves: TypedLeaves): Predicate {
  if (!isTruthy(operand)) return NOBODY;
  if (typeof operand !== 'object' || operand === null || !isList(operand)) return litestarTest('in', operand, leaves);
  const texts = [...new Set(operand.map(formatTrait))].sort();
  const items = texts.filter((text) => text !== 'null').map(parseTrait);
  const [first] = items;
  const isWithin =
    first === undefined
      ? NOBODY
      : items.length === 1
        ? litestarTest('eq', first, leaves)
        : litestarTest('in', items, leaves);
  return items.length === texts.length ? isWithin : or([isWithin, not(leaves.isSet())]);
}

/** Whether a value is in a list is always known, so that the list's own atom serves; of other operands it may be unknown. */
function litestarNotIn(operand: TraitValue, leaves: TypedLeaves): Predicate {
  const isKnown = !isTruthy(operand) || (typeof operand === 'object' && operand !== null && isList(operand));
  return isKnown ? not(litestarIn(operand, leaves)) : litestarUnless('not_in', operand, leaves);
}

/** True of a missing value as well, but not of one for which the language cannot tell. */
function litestarUnless(operator: 'not_in' | 'not_contains', operand: TraitValue, leaves: TypedLeaves): Predicate {
  return or([not(leaves.isSet()), litestarTest(operator, operand, leaves)]);
}

function mozhnoPredicate(operator: string, operand: () => TraitValue, leaves: TypedLeaves): Predicate | undefined {
  const known = operator === 'not_in' ? 'in' : MOZHNO_OPERATORS.find((name) => name === operator);
  if (known === undefined) return undefined;
  const read = readMozhnoOperand(operand());
  const holds =
    read.values.length === 0
      ? NOBODY
      : leaves.test({ dialect: 'mozhno', operator: known, operand: formatMozhnoOperand(read) });
  return operator === 'not_in' ? and([leaves.isSet(), not(holds)]) : holds;
}

function readOperand({ operator, value, list }: Condition): TraitValue {
  if (list !== undefined)
    throw new RollcallError('INVALID_OPERAND', "only Flagsmith's IN takes a stored list as its operand");
  try {
    return value === '' ? null : parseTrait(value);
  } catch (cause) {
    const message = `the operand of ${operator} is not JSON: a text stands in double quotes`;
    throw new RollcallError('INVALID_OPERAND', message, { cause });
  }
}
