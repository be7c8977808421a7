/** The operators of the `mozhno` dialect that become atoms; not_in compiles to "set, and not in". */
export const MOZHNO_OPERATORS = ['in', 'eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'contains'] as const;
export type MozhnoOperator = (typeof MOZHNO_OPERATORS)[number];

/** How the operators that order read a value and the operand's values. */
export const MOZHNO_TYPES = ['string', 'number', 'time', 'semver'] as const;
export type MozhnoType = (typeof MOZHNO_TYPES)[number];
