import type { Order } from '../conditions/compare.js';
import type { Comparison } from '../conditions/operators.js';
import { Thresholds } from './thresholds.js';

/** How operands are read as values of one type, and how these are ordered. */
export interface ValueType<Value> {
  readonly read: (operand: string) => Value | undefined;
  readonly compare: (a: Value, b: Value) => Order;
}

/**
 * The comparing atoms of one property as values of one type see them. An atom whose operand cannot be read as that type is false
 * for all of them, so it is not kept here.
 */
export class TypedIndex<Value> {
  readonly #type: ValueType<Value>;
  readonly #equal = new Map<Value, number[]>();
  readonly #unequal = new Map<Value, number[]>();
  readonly #thresholds: Thresholds<Value>;

  constructor(type: ValueType<Value>) {
    this.#type = type;
    this.#thresholds = new Thresholds(type.compare);
  }

  add(atomId: number, operator: Comparison, text: string): void {
    const operand = this.#type.read(text);
    if (operand === undefined) return;
    const isNaN = operand !== operand;
    if (operator === 'NOT_EQUAL') addTo(this.#unequal, operand, atomId);
    else if (isNaN) return;
    else if (operator === 'EQUAL') addTo(this.#equal, operand, atomId);
    else this.#thresholds.add(atomId, operator, operand);
  }

  remove(atomId: number, operator: Comparison, text: string): void {
    const operand = this.#type.read(text);
    if (operand === undefined) return;
    if (operator === 'NOT_EQUAL') removeFrom(this.#unequal, operand, atomId);
    else if (operator === 'EQUAL') removeFrom(this.#equal, operand, atomId);
    else this.#thresholds.remove(atomId, operator);
  }

  /** Reports the atoms that are true of one of two values but not of the other. */
  flips(before: Value, after: Value, report: (atomId: number, isSet: boolean) => void): void {
    if (before === after) return;
    for (const atomId of this.#equal.get(before) ?? []) report(atomId, false);
    for (const atomId of this.#equal.get(after) ?? []) report(atomId, true);
    for (const atomId of this.#unequal.get(before) ?? []) report(atomId, true);
    for (const atomId of this.#unequal.get(after) ?? []) report(atomId, false);
    this.#thresholds.flips(before, after, report);
  }

  /** Reports the atoms that are true of a value. */
  holding(value: Value, report: (atomId: number) => void): void {
    this.#equal.get(value)?.forEach(report);
    const except = this.#unequal.get(value);
    for (const atomIds of this.#unequal.values()) if (atomIds !== except) atomIds.forEach(report);
    this.#thresholds.holding(value, report);
  }
}

function addTo<Key>(lists: Map<Key, number[]>, key: Key, atomId: number): void {
  const atomIds = lists.get(key);
  if (atomIds === undefined) lists.set(key, [atomId]);
  else atomIds.push(atomId);
}

function removeFrom<Key>(lists: Map<Key, number[]>, key: Key, atomId: number): void {
  const rest = lists.get(key)?.filter((other) => other !== atomId) ?? [];
  if (rest.length === 0) lists.delete(key);
  else lists.set(key, rest);
}
