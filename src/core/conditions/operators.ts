/** The operators that order a value against the operand read as the value's type. */
export const COMPARISONS = [
  'EQUAL',
  'NOT_EQUAL',
  'GREATER_THAN',
  'GREATER_THAN_INCLUSIVE',
  'LESS_THAN',
  'LESS_THAN_INCLUSIVE',
] as const;
export type Comparison = (typeof COMPARISONS)[number];

/** The operators of the `flagsmith` dialect that become atoms; IS_NOT_SET compiles to a negation of IS_SET. */
export const OPERATORS = [
  ...COMPARISONS,
  'CONTAINS',
  'NOT_CONTAINS',
  'REGEX',
  'IN',
  'IS_SET',
  'MODULO',
  'PERCENTAGE_SPLIT',
] as const;
export type Operator = (typeof OPERATORS)[number];
