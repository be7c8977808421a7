import { type FilterFunction, FunctionExpressionType, jsonpath, Nothing } from 'json-p3';
import { RE2JS } from 're2js';

/** `length()` of a string counts code points. */
export const LENGTH: FilterFunction = {
  argTypes: [FunctionExpressionType.ValueType],
  returnType: FunctionExpressionType.ValueType,
  call(value: unknown): unknown {
    if (typeof value === 'string') return [...value].length;
    if (typeof value !== 'object' || value === null) return Nothing;
    return Object.keys(value).length;
  },
};

/** `match()`: the whole string matches; `search()`: some part does. In time linear in the string, as patterns are untrusted. */
export const MATCH = patternFunction((pattern, text) => pattern.testExact(text));
export const SEARCH = patternFunction((pattern, text) => pattern.test(text));

function patternFunction(test: (pattern: RE2JS, text: string) => boolean): FilterFunction {
  const { ValueType, LogicalType } = FunctionExpressionType;
  return {
    argTypes: [ValueType, ValueType],
    returnType: LogicalType,
    call(text: unknown, source: unknown): boolean {
      if (typeof text !== 'string' || typeof source !== 'string') return false;
      const pattern = patternOf(source);
      return pattern !== undefined && test(pattern, text);
    },
  };
}

const patterns = new Map<string, RE2JS | undefined>();
/** Patterns may come from data (`match(@.a, @.b)`), so only so many are kept. */
const MAX_PATTERNS = 1000;

function patternOf(source: string): RE2JS | undefined {
  if (!patterns.has(source)) {
    if (patterns.size >= MAX_PATTERNS) patterns.clear();
    patterns.set(source, compilePattern(source));
  }
  return patterns.get(source);
}

/** Undefined where `source` is no I-Regexp (RFC 9485): such a pattern matches nothing. */
function compilePattern(source: string): RE2JS | undefined {
  try {
    grammar.call('', source);
    return RE2JS.compile(source.replaceAll(DOT, (part) => (part === '.' ? '[^\\n\\r]' : part)));
  } catch {
    return undefined;
  }
}

/** Used only for its check of the pattern's grammar. */
const grammar = new jsonpath.functions.Match({ throwErrors: true, cacheSize: 0 });

/** An escaped character, a class, or a dot outside both. */
const DOT = /\\.|\[(?:\\.|[^\]\\])*\]|\./gsu;
