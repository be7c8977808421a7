import { compileComparison } from './comparison.js';
import { readIn } from './in-list.js';
import { compileModulo } from './modulo.js';
import { semverOperand } from './operands.js';
import type { Operator } from './operators.js';
import { percentageOf } from './percentage-split.js';
import { readPythonFloat } from '../python/python-numbers.js';
import { compilePythonRegex } from '../regex/python-regex.js';
import { pythonText } from '../python/python-text.js';
import { readVersion } from './semver.js';
import type { ConditionValue } from '../values.js';

/** Whether the operator holds for a value that is there. Never called for a missing value: every atom is false there. */
export type Matcher = (value: ConditionValue) => boolean;

/** `list` stands in for the operand of IN; `segmentKey` is what PERCENTAGE_SPLIT hashes with the value. */
export interface MatcherOptions {
  readonly segmentKey: string;
  readonly list?: ReadonlySet<string> | undefined;
}

/**
 * Reads the operand once, for values of every type; the matcher then only compares. Throws INVALID_OPERAND or
 * UNSUPPORTED_PATTERN for what a segment must not be written with: a bad regex, a divisor of 0. An operand that merely
 * cannot be read as a number or a version is no error: nothing matches it.
 */
export function compileMatcher(operator: Operator, operand: string, options: MatcherOptions): Matcher {
  switch (operator) {
    case 'CONTAINS':
      return compileContains(operand);
    case 'NOT_CONTAINS':
      return (value) => typeof value === 'string' && !value.includes(operand);
    case 'REGEX':
      return compileRegex(operand);
    case 'IN':
      return compileIn(options.list ?? readIn(operand));
    case 'IS_SET':
      return () => true;
    case 'MODULO':
      return compileModulo(operand);
    case 'PERCENTAGE_SPLIT':
      return compilePercentageSplit(operand, options.segmentKey);
    default:
      return compileComparison(operator, operand);
  }
}

/**
 * With `:semver` the rest of the operand is one of the version's parts as a text: the whole pre-release or build, never a
 * number. NOT_CONTAINS knows no versions: there `:semver` is text like any other.
 */
function compileContains(operand: string): Matcher {
  const part = semverOperand(operand);
  if (part === undefined) return (value) => typeof value === 'string' && value.includes(operand);
  return (value) => {
    const version = typeof value === 'string' ? readVersion(value) : undefined;
    return version !== undefined && (part === version.build || (part !== '' && part === version.prerelease.join('.')));
  };
}

function compileRegex(operand: string): Matcher {
  const matches = compilePythonRegex(operand);
  return (value) => matches(pythonText(value));
}

/** Floats and booleans are in no list, whatever their text. */
function compileIn(texts: ReadonlySet<string>): Matcher {
  return (value) => {
    if (typeof value === 'string') return texts.has(value);
    return typeof value === 'bigint' && texts.has(value.toString());
  };
}

function compilePercentageSplit(operand: string, segmentKey: string): Matcher {
  const percentage = readPythonFloat(operand);
  if (percentage === undefined) return () => false;
  return (value) => percentageOf([segmentKey, pythonText(value)]) <= percentage;
}
