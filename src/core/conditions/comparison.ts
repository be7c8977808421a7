import { compareFloats, compareIntegers, compareScalars, compareText, type Order } from './compare.js';
import { readBooleanOperand, semverOperand } from './operands.js';
import type { Comparison } from './operators.js';
import { readPythonFloat, readPythonInt } from '../python/python-numbers.js';
import { compareVersions, readVersion } from './semver.js';
import type { ConditionValue } from '../values.js';

const BELOW = 1;
const SAME = 2;
const ABOVE = 4;
const NO_ORDER = 8;

/** The orders of value and operand that a comparison holds for. NaN, which is no order, is only "not equal". */
const HOLDS: Readonly<Record<Comparison, number>> = {
  EQUAL: SAME,
  NOT_EQUAL: BELOW | ABOVE | NO_ORDER,
  GREATER_THAN: ABOVE,
  GREATER_THAN_INCLUSIVE: ABOVE | SAME,
  LESS_THAN: BELOW,
  LESS_THAN_INCLUSIVE: BELOW | SAME,
};

/**
 * Reads the operand once for every type; false where operand or value cannot be read as the comparison needs. One flat function, not one for each type: it is
 * called for every condition that is checked.
 */
export function compileComparison(comparison: Comparison, operand: string): (value: ConditionValue) => boolean {
  const holds = HOLDS[comparison];
  const boolean = readBooleanOperand(operand);
  const integer = readPythonInt(operand);
  const float = readPythonFloat(operand);
  const versionText = semverOperand(operand);
  const version = versionText === undefined ? undefined : readVersion(versionText);
  return (value) => {
    let order: Order;
    if (typeof value === 'string') {
      if (versionText === undefined) order = compareText(value, operand);
      else {
        const read = version === undefined ? undefined : readVersion(value);
        if (version === undefined || read === undefined) return false;
        order = compareVersions(read, version);
      }
    } else if (typeof value === 'bigint') {
      if (integer === undefined) return false;
      order = compareIntegers(value, integer);
    } else if (typeof value === 'number') {
      if (float === undefined) return false;
      order = compareFloats(value, float);
    } else order = compareScalars(value, boolean);
    return (holds & kindOf(order)) !== 0;
  };
}

function kindOf(order: Order): number {
  if (order < 0) return BELOW;
  if (order > 0) return ABOVE;
  return order === 0 ? SAME : NO_ORDER;
}
