/** The operators of the `litestar` dialect that become atoms; ne compiles to the negation of eq, and not_in of a list to that of in. */
export const LITESTAR_OPERATORS = [
  'eq',
  'gt',
  'gte',
  'lt',
  'lte',
  'in',
  'not_in',
  'contains',
  'not_contains',
  'starts_with',
  'ends_with',
  'matches',
  'semver_eq',
  'semver_gt',
  'semver_lt',
  'date_after',
  'date_before',
  'time_window',
] as const;
export type LitestarOperator = (typeof LITESTAR_OPERATORS)[number];
