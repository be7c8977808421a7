import { z } from 'zod';
import { isReference } from '../core/segments.js';
import { Dialect } from '../gen/rollcall/v1/segment_pb.js';
import { type Json, jsonText, parseLosslessJson } from './json.js';

/** The dialects as people write them. */
export const DIALECT_NAMES = ['flagsmith', 'litestar', 'mozhno'] as const;
export type DialectName = (typeof DIALECT_NAMES)[number];

const DIALECTS = {
  flagsmith: Dialect.FLAGSMITH,
  litestar: Dialect.LITESTAR,
  mozhno: Dialect.MOZHNO,
} satisfies Record<DialectName, Dialect>;

/** The dialect of a definition that may name one. */
export function dialectOf(name: DialectName = 'flagsmith'): Dialect {
  return DIALECTS[name];
}

export function dialectName(dialect: Dialect): DialectName {
  return DIALECT_NAMES.find((name) => DIALECTS[name] === dialect) ?? 'flagsmith';
}

/** Whether the operands of a dialect are JSON values, not texts; a reference to a segment is a text in every dialect. */
export function hasJsonOperands(dialect: DialectName, operator: string): boolean {
  return dialect !== 'flagsmith' && !isReference(operator);
}

const JSON_VALUE = z.custom<Json>();

/** An operand's text as the value that it stands for. Where it is no JSON, the text. */
export function operandJson(text: string): Json {
  try {
    return text === '' ? null : JSON_VALUE.parse(parseLosslessJson(text));
  } catch {
    return text;
  }
}

/** A value, as the text of an operand. */
export function operandJsonText(value: unknown): string {
  return jsonText(JSON_VALUE.parse(value));
}
