import { RollcallError } from '../errors.js';
import { readPythonFloat } from '../python/python-numbers.js';
import type { ConditionValue } from '../values.js';

/**
 * Compiles `divisor|remainder`, two floats. Only numbers and booleans (true is 1) can match; integers are rounded to a
 * float first. An operand of another form matches nothing; a divisor of 0 is INVALID_OPERAND.
 */
export function compileModulo(operand: string): (value: ConditionValue) => boolean {
  const parts = operand.split('|');
  const divisor = readPythonFloat(parts[0] ?? '');
  const remainder = readPythonFloat(parts[1] ?? '');
  if (parts.length !== 2 || divisor === undefined || remainder === undefined) return () => false;
  if (divisor === 0) {
    throw new RollcallError('INVALID_OPERAND', 'the divisor of MODULO must not be 0', { metadata: { operand } });
  }
  return (value) => typeof value !== 'string' && floorModulo(Number(value), divisor) === remainder;
}

/** Python's `%`: the result has the sign of the divisor. */
function floorModulo(value: number, divisor: number): number {
  const remainder = value % divisor;
  return remainder !== 0 && remainder < 0 !== divisor < 0 ? remainder + divisor : remainder;
}
