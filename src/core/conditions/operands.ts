import { compareScalars, compareText, type Order } from './compare.js';
import { readPythonFloat, readPythonInt } from '../python/python-numbers.js';
import { compareVersions, readVersion, type Version } from './semver.js';
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
function readBooleanOperand(operand: string): boolean {
  return operand !== 'False' && operand !== 'false';
}

/** What stands before `:semver` in an operand that makes strings compare as versions; undefined in any other. */
export function semverOperand(operand: string): string | undefined {
  return operand.endsWith(SEMVER_SUFFIX) ? operand.slice(0, -SEMVER_SUFFIX.length) : undefined;
}

/**
 * Reads the operand once for every type, and gives how a value is ordered against it; undefined where operand or value
 * cannot be read as the comparison needs.
 */
export function compileOrder(operand: string): (value: ConditionValue) => Order | undefined {
  const boolean = readBooleanOperand(operand);
  const integer = readPythonInt(operand);
  const float = readPythonFloat(operand);
  const orderOfText = compileTextOrder(operand);
  return (value) => {
    if (typeof value === 'string') return orderOfText(value);
    if (typeof value === 'boolean') return compareScalars(value, boolean);
    if (typeof value === 'bigint') return integer === undefined ? undefined : compareScalars(value, integer);
    return float === undefined ? undefined : compareScalars(value, float);
  };
}

function compileTextOrder(operand: string): (value: string) => Order | undefined {
  const versionText = semverOperand(operand);
  if (versionText === undefined) return (value) => compareText(value, operand);
  const version = readVersion(versionText);
  return version === undefined ? () => undefined : (value) => versionOrder(value, version);
}

function versionOrder(value: string, version: Version): Order | undefined {
  const read = readVersion(value);
  return read === undefined ? undefined : compareVersions(read, version);
}
