/** The operators of the `flagsmith` dialect that become atoms; IS_NOT_SET compiles to a negation of IS_SET. */
export const OPERATORS = [
  'EQUAL',
  'NOT_EQUAL',
  'GREATER_THAN',
  'GREATER_THAN_INCLUSIVE',
  'LESS_THAN',
  'LESS_THAN_INCLUSIVE',
  'CONTAINS',
  'NOT_CONTAINS',
  'REGEX',
  'IN',
  'IS_SET',
  'MODULO',
  'PERCENTAGE_SPLIT',
] as const;
export type Operator = (typeof OPERATORS)[number];
