import type { JsonValue } from '@bufbuild/protobuf';
import { LosslessNumber, parse, stringify } from 'lossless-json';
import { formatTrait, isList } from '../core/trait-text.js';
import type { TraitValue } from '../core/values.js';

/** What can be written as JSON: integers of any size as `bigint`, floats through `floatJson`. Members that are undefined are left out. */
export type Json =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | LosslessNumber
  | readonly Json[]
  | { readonly [key: string]: Json };

/** The value as JSON text, without loss. */
export function jsonText(value: Json, indent?: number): string {
  const text = stringify(value, undefined, indent);
  if (text === undefined) throw new TypeError('undefined has no JSON text');
  return text;
}

/** A google.protobuf.Struct or Value as it is. */
export function jsonOf(value: JsonValue | undefined): Json {
  if (Array.isArray(value)) return value.map(jsonOf);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, jsonOf(member)]));
}

/** A trait as JSON that is read back as the same value: a float keeps its point. */
export function traitJson(value: TraitValue): Json {
  if (typeof value === 'number') return new LosslessNumber(formatTrait(value));
  if (typeof value !== 'object' || value === null) return value;
  if (isList(value)) return value.map(traitJson);
  return traitsJson(value);
}

export function traitsJson(traits: Readonly<Record<string, TraitValue>>): Json {
  return Object.fromEntries(Object.entries(traits).map(([name, value]) => [name, traitJson(value)]));
}

/** Reads JSON of which numbers stay as they were written. Throws SyntaxError. */
export function parseLosslessJson(text: string): unknown {
  return parse(text);
}
