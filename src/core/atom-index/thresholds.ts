import type { Order } from '../conditions/compare.js';
import type { Comparison } from '../conditions/operators.js';

/** Atoms that compare a value of one type with a threshold, by operator, each sorted by threshold. */
export class Thresholds<Value> {
  readonly #compare: (a: Value, b: Value) => Order;
  readonly #lists: Readonly<Record<OrderingOperator, SortedAtoms<Value>>>;

  constructor(compare: (a: Value, b: Value) => Order) {
    this.#compare = compare;
    const list = (): SortedAtoms<Value> => ({ thresholds: [], atomIds: [] });
    this.#lists = {
      GREATER_THAN: list(),
      GREATER_THAN_INCLUSIVE: list(),
      LESS_THAN: list(),
      LESS_THAN_INCLUSIVE: list(),
    };
  }

  add(atomId: number, operator: OrderingOperator, threshold: Value): void {
    const list = this.#lists[operator];
    const at = this.#countUpTo(list.thresholds, threshold);
    list.thresholds.splice(at, 0, threshold);
    list.atomIds.splice(at, 0, atomId);
  }

  remove(atomId: number, operator: OrderingOperator): void {
    const list = this.#lists[operator];
    const at = list.atomIds.indexOf(atomId);
    if (at < 0) return;
    list.thresholds.splice(at, 1);
    list.atomIds.splice(at, 1);
  }

  /** Reports the atoms that are true of one of two values but not of the other: those with a threshold between. */
  flips(before: Value, after: Value, report: (atomId: number, isSet: boolean) => void): void {
    const isRise = this.#compare(before, after) < 0;
    const [low, high] = isRise ? [before, after] : [after, before];
    for (const operator of ORDERING_OPERATORS) {
      const { thresholds, atomIds } = this.#lists[operator];
      if (atomIds.length === 0) continue;
      const count = COUNTS_EQUAL[operator] ? this.#countUpTo : this.#countBelow;
      const isSet = RISES[operator] === isRise;
      const to = count(thresholds, high);
      for (let at = count(thresholds, low, to); at < to; at++) {
        const atomId = atomIds[at];
        if (atomId !== undefined) report(atomId, isSet);
      }
    }
  }

  /** Reports the atoms that are true of a value. */
  holding(value: Value, report: (atomId: number) => void): void {
    for (const operator of ORDERING_OPERATORS) {
      const { thresholds, atomIds } = this.#lists[operator];
      const count = COUNTS_EQUAL[operator] ? this.#countUpTo : this.#countBelow;
      const at = count(thresholds, value);
      const holding = RISES[operator] ? atomIds.slice(0, at) : atomIds.slice(at);
      holding.forEach(report);
    }
  }

  readonly #countBelow = (thresholds: readonly Value[], value: Value, atMost = thresholds.length): number => {
    return countWhile(thresholds, atMost, (threshold) => this.#compare(threshold, value) < 0);
  };

  readonly #countUpTo = (thresholds: readonly Value[], value: Value, atMost = thresholds.length): number => {
    return countWhile(thresholds, atMost, (threshold) => this.#compare(threshold, value) <= 0);
  };
}

const ORDERING_OPERATORS = ['GREATER_THAN', 'GREATER_THAN_INCLUSIVE', 'LESS_THAN', 'LESS_THAN_INCLUSIVE'] as const;
type OrderingOperator = Exclude<Comparison, 'EQUAL' | 'NOT_EQUAL'>;

interface SortedAtoms<Value> {
  readonly thresholds: Value[];
  readonly atomIds: number[];
}

/** Whether the operator turns true as the value rises past the threshold. */
const RISES: Readonly<Record<OrderingOperator, boolean>> = {
  GREATER_THAN: true,
  GREATER_THAN_INCLUSIVE: true,
  LESS_THAN: false,
  LESS_THAN_INCLUSIVE: false,
};

/** Whether the operator turns when the value reaches the threshold, rather than when it has passed it. */
const COUNTS_EQUAL: Readonly<Record<OrderingOperator, boolean>> = {
  GREATER_THAN: false,
  GREATER_THAN_INCLUSIVE: true,
  LESS_THAN: true,
  LESS_THAN_INCLUSIVE: false,
};

/** How many items at the start pass `test`, which holds for a first part of them; that are `atMost`. */
function countWhile<Item>(items: readonly Item[], atMost: number, test: (item: Item) => boolean): number {
  let low = 0;
  let high = atMost;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = items[middle];
    if (item !== undefined && test(item)) low = middle + 1;
    else high = middle;
  }
  return low;
}
