import { readPythonFloat, readPythonInt } from '../python/python-numbers.js';
import type { ConditionValue } from '../values.js';

/** The type of a value as a comparison sees it: `bigint` is an integer, `number` a float. */
export type ValueType = 'string' | 'boolean' | 'bigint' | 'number';

const SEMVER_SUFFIX = ':semver';

/**
 * A comparison's operand read as a value of the type; undefined where it cannot be, and then the comparison is false for
 * every value of that type, "not equal" too. An operand that `semverOperand` knows is not compared as a string.
 */
export function readOperand(type: ValueType, operand: string): ConditionValue | undefined {
  switch (type) {
    case 'string':
      return operand;
    case 'boolean':
      return readBooleanOperand(operand);
    case 'bigint':
      return readPythonInt(operand);
    case 'number':
      return readPythonFloat(operand);
  }
}

/** Every operand but these two is true, the empty one too. */
export function readBooleanOperand(operand: string): boolean {
  return operand !== 'False' && operand !== 'false';
}

/** What stands before `:semver` in an operand that makes strings compare as versions; undefined in any other. */
export function semverOperand(operand: string): string | undefined {
  return operand.endsWith(SEMVER_SUFFIX) ? operand.slice(0, -SEMVER_SUFFIX.length) : undefined;
}
