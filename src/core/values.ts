/**
 * A trait's typed value. An integer of any size is a `bigint`, a float a finite `number`: operators see the difference
 * between 1 and 1.0. `null` is the same as a missing trait to every operator.
 */
export type TraitValue =
  string | boolean | bigint | number | null | readonly TraitValue[] | { readonly [key: string]: TraitValue };

/** What a condition sees: strings that look like numbers have become numbers, lists and objects their text. */
export type ConditionValue = string | boolean | bigint | number;
