import {
  JSONPathEnvironment,
  JSONPathError,
  JSONPathLexerError,
  type JSONPathQuery,
  JSONPathSyntaxError,
  type JSONValue,
  jsonpath,
} from 'json-p3';
import { RollcallError } from '../errors.js';
import { LENGTH, MATCH, SEARCH } from './json-path-functions.js';
import { isList } from '../trait-text.js';
import type { TraitValue } from '../values.js';

/** One step of a path that can lead to one node at most: an object's key or a list's index (negative from the end). */
export type Step = string | number;

/** A compiled JSONPath (RFC 9535). */
export interface JsonPath {
  /** The steps, where the path can lead to one node at most. */
  readonly steps: readonly Step[] | undefined;
  /** The object's key with which every answer begins, if there is one and the path looks nowhere else. */
  readonly onlyWithin: string | undefined;
  readonly query: JSONPathQuery;
}

/**
 * Compiles a path; undefined where it is not one (a syntax error). Throws INVALID_SEGMENT where it is one but may not be evaluated: an
 * unknown function, a function's arguments of the wrong type, an index out of range.
 */
export function parseJsonPath(text: string): JsonPath | undefined {
  if (ASTRAL_NAME.test(withoutStrings(text))) return undefined;
  const query = compile(text);
  if (query === undefined) return undefined;
  const [first] = query.segments;
  const steps = stepsOf(query);
  const start = first === undefined ? undefined : stepOf(first);
  const isSelfContained = withoutStrings(text).lastIndexOf('$') === 0;
  return { steps, onlyWithin: isSelfContained && typeof start === 'string' ? start : undefined, query };
}

function compile(text: string): JSONPathQuery | undefined {
  try {
    return ENVIRONMENT.compile(text.replaceAll(STRING_OR_DECIMAL, readableDecimal));
  } catch (error) {
    if (error instanceof JSONPathSyntaxError || error instanceof JSONPathLexerError) return undefined;
    if (!(error instanceof JSONPathError)) throw error;
    const metadata = { property: text.slice(0, 200) };
    throw new RollcallError('INVALID_SEGMENT', `the path cannot be evaluated: ${error.message}`, {
      metadata,
      cause: error,
    });
  }
}

const ENVIRONMENT = new JSONPathEnvironment({ maxRecursionDepth: 1000 });
ENVIRONMENT.functionRegister.set('length', LENGTH);
ENVIRONMENT.functionRegister.set('match', MATCH);
ENVIRONMENT.functionRegister.set('search', SEARCH);

const STRING = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/gs;
/** Names without quotes go up to U+FFFF. */
const ASTRAL_NAME = /[\u{10000}-\u{10FFFF}]/u;

function withoutStrings(text: string): string {
  return text.replaceAll(STRING, "''");
}

const STRING_OR_DECIMAL = new RegExp(
  `${STRING.source}|(?<![\\w.\\u0080-\\uFFFF-])0\\.([0-9]+)(?:[eE]([+-]?[0-9]+))?`,
  'gs',
);

/** json-p3 2.3.1 takes `0.5` for a number with a leading zero and refuses it; `5e-1` is the same number. */
function readableDecimal(part: string, fraction: string | undefined, exponent: string | undefined): string {
  if (fraction === undefined) return part;
  const digits = fraction.replace(/^0+/, '');
  return digits === '' ? '0' : `${digits}e${Number(exponent ?? 0) - fraction.length}`;
}

function stepsOf(query: JSONPathQuery): readonly Step[] | undefined {
  const steps: Step[] = [];
  for (const segment of query.segments) {
    const step = stepOf(segment);
    if (step === undefined) return undefined;
    steps.push(step);
  }
  return steps;
}

function stepOf(segment: jsonpath.JSONPathSegment): Step | undefined {
  const [selector, second] = segment.selectors;
  const isDescendant = segment.toString({ form: 'canonical' }).startsWith('..');
  if (isDescendant || second !== undefined) return undefined;
  if (selector instanceof jsonpath.selectors.NameSelector) return selector.name;
  if (selector instanceof jsonpath.selectors.IndexSelector) return selector.index;
  return undefined;
}

/** The node that `steps` lead to from `value`, undefined where there is none. */
export function follow(steps: readonly Step[], value: TraitValue): TraitValue | undefined {
  let node: TraitValue | undefined = value;
  for (const step of steps) node = node === undefined ? undefined : childOf(node, step);
  return node;
}

function childOf(node: TraitValue, step: Step): TraitValue | undefined {
  if (typeof node !== 'object' || node === null) return undefined;
  if (isList(node)) return typeof step === 'number' ? node.at(step) : undefined;
  return typeof step === 'string' && Object.hasOwn(node, step) ? node[step] : undefined;
}

/** The first node of the path's answer, undefined where it has none. Numbers in filters compare as floats. */
export function firstNode(path: JsonPath, document: TraitValue): TraitValue | undefined {
  if (path.steps !== undefined) return follow(path.steps, document);
  const node = path.query.match(toPlain(document));
  return node && follow(node.location, document);
}

function toPlain(value: TraitValue): JSONValue {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null) return value;
  if (isList(value)) return value.map(toPlain);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toPlain(inner)]));
}
