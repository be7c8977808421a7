import { createPace } from '../pace.js';

/** Holds a reading to its read capacity units a second, on average, and its pages small against them. */
export interface PageBudget {
  /** How many items the next page may have, so that it takes about a second's units, shared by all readers, and no more than fit in it. */
  limit(): number;
  /** Resolves when what a page took is paid for by the time that has passed. Throws the signal's reason when that fires. */
  spend(page: { readonly items: number; readonly units: number }, signal: AbortSignal): Promise<void>;
}

/** Items are of 8 KB until they are known better. */
const FIRST_UNITS_AN_ITEM = 1;
/** A page holds at most 1 MB, half a unit for each 4 KB, and here a quarter more, as items differ. A server on one machine reads as many items as it may, and then drops what is beyond 1 MB. */
const MOST_UNITS_OF_PAGE = 160;

export interface BudgetOptions {
  /** Without it pages are as large as DynamoDB makes them. */
  readonly unitsPerSecond: number | undefined;
  /** The most items that a page may have. */
  readonly pageSize: number;
}

export function createPageBudget({ unitsPerSecond, pageSize }: BudgetOptions, readers: number): PageBudget {
  const pace = createPace(unitsPerSecond);
  const unitsOfPage = Math.min(MOST_UNITS_OF_PAGE, (unitsPerSecond ?? Infinity) / readers);
  let unitsOfItem = FIRST_UNITS_AN_ITEM;
  return {
    limit: () => Math.max(1, Math.min(pageSize, Math.floor(unitsOfPage / unitsOfItem))),
    async spend({ items, units }, signal) {
      if (items > 0 && units > 0) unitsOfItem = units / items;
      await pace.take(units, signal);
    },
  };
}
