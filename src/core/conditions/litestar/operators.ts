/** The operators of the `litestar` dialect that become atoms; ne, not_in and not_contains compile to negations of theirs. */
export const LITESTAR_OPERATORS = [
  'eq',
  'gt',
  'gte',
  'lt',
  'lte',
  'in',
  'contains',
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
