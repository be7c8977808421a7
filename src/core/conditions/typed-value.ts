import { parseTrait } from '../trait-text.js';
import type { ConditionValue, TraitValue } from '../values.js';

/** What the operators of the typed dialects see: a value as it was given, never null. */
export type TypedValue = Exclude<TraitValue, null>;

/** Whether an operator of a typed dialect holds for a value that is there. */
export type TypedTest = (value: TypedValue) => boolean;

/**
 * Reads a value of a property whose reading is `json`: its JSON text. The text read last is remembered, as the conditions on a property come one after the
 * other. Undefined for null.
 */
export function readTyped(text: ConditionValue): TypedValue | undefined {
  if (typeof text !== 'string') return text;
  if (text !== lastText) {
    lastValue = parseTrait(text) ?? undefined;
    lastText = text;
  }
  return lastValue;
}

let lastText = 'null';
let lastValue: TypedValue | undefined;
