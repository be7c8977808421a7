import { RollcallError } from '../../errors.js';
import { formatTrait, isList, parseTrait } from '../../trait-text.js';
import type { TraitValue } from '../../values.js';
import { MOZHNO_TYPES, type MozhnoType } from './operators.js';

/** The values of a rule and how they are read. */
export interface MozhnoOperand {
  readonly type: MozhnoType;
  readonly values: readonly TraitValue[];
}

/**
 * Reads an operand's JSON: a list of values, or {type, values}. Without a type it is `number` where all the values are numbers, else `string`. A value alone is a list of
 * one. Throws INVALID_OPERAND.
 */
export function readMozhnoOperand(operand: TraitValue): MozhnoOperand {
  if (typeof operand !== 'object' || operand === null || isList(operand)) return untyped(operand);
  const { type, values } = operand;
  if (values === undefined) throw invalid('takes a list of values, or {"type": …, "values": […]}');
  if (type === undefined || type === null) return untyped(values);
  const known = MOZHNO_TYPES.find((name) => name === type);
  if (known === undefined) throw invalid(`knows the types ${MOZHNO_TYPES.join(', ')}`);
  return { type: known, values: isList(values) ? values : [values] };
}

/** The operand as JSON text, the same for all that mean the same. */
export function formatMozhnoOperand({ type, values }: MozhnoOperand): string {
  const texts = [...new Set(values.map(formatTrait))].sort();
  return formatTrait({ type, values: texts.map(parseTrait) });
}

function untyped(values: TraitValue): MozhnoOperand {
  const list = typeof values === 'object' && values !== null && isList(values) ? values : [values];
  return { type: list.length > 0 && list.every(isNumber) ? 'number' : 'string', values: list };
}

function isNumber(value: TraitValue): boolean {
  return typeof value === 'bigint' || typeof value === 'number';
}

function invalid(message: string): RollcallError {
  return new RollcallError('INVALID_OPERAND', `a rule ${message}`);
}
