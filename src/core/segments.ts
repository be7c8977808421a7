/**
 * A condition of a rule: `operator` over `property`, with the text `value` or a stored list as its operand. In other dialects than Flagsmith's `value` is
 * JSON text ('' is null), but for segment references, whose `value` is a segment's key in all of them.
 */
export interface Condition {
  readonly property: string;
  readonly operator: string;
  readonly value: string;
  readonly list?: ListReference;
}

/** A named operand list and the content (SHA-256, hex) that the name stood for when the segment was written. */
export interface ListReference {
  readonly name: string;
  readonly sha256: string;
}

export type RuleType = 'ALL' | 'ANY' | 'NONE';

/** combine(type, conditions) and combine(type, rules); an empty group is true. */
export interface Rule {
  readonly type: RuleType;
  readonly conditions: readonly Condition[];
  readonly rules: readonly Rule[];
}

export const DIALECTS = ['flagsmith', 'litestar', 'mozhno'] as const;
export type Dialect = (typeof DIALECTS)[number];

/** What a segment means. `parent` is a segment's key, '' for none. Without rules no one is a member, but in other dialects than Flagsmith's everyone. */
export interface SegmentDefinition {
  readonly dialect: Dialect;
  readonly enabled: boolean;
  readonly parent: string;
  readonly rules: readonly Rule[];
  /** Why an import disabled the segment: its rules are kept as they came, and are not compiled. */
  readonly disabledReason?: string;
  /** What the segment is called where it was imported from, beside its key and name. */
  readonly sourceId?: string;
}

/** Levels of rules within rules. */
export const MAX_RULE_DEPTH = 64;
/** Conditions of one segment, over all its rules. */
export const MAX_CONDITIONS = 1000;
/** Nodes of what a segment compiles to, counting those of the segments it refers to wherever it does. */
export const MAX_PREDICATE_SIZE = 100_000;
/** Bytes of UTF-8 of one operand; longer ones are operand lists. */
export const MAX_OPERAND_BYTES = 64 * 1024;
/** Values of one operand list. */
export const MAX_LIST_VALUES = 1_000_000;
/** Bytes of UTF-8 of all the values of one operand list. */
export const MAX_LIST_BYTES = 128 * 1024 * 1024;

/** The keys of the segments that a definition refers to directly: its parent, in_segment and not_in_segment. */
export function referencesOf(definition: SegmentDefinition): ReadonlySet<string> {
  const references = new Set<string>();
  if (definition.parent !== '') references.add(definition.parent);
  for (const condition of conditionsOf(definition.rules)) {
    if (isReference(condition.operator)) references.add(condition.value);
  }
  return references;
}

/** Whether the value of a condition with this operator names a segment, in every dialect. */
export function isReference(operator: string): boolean {
  return operator === 'in_segment' || operator === 'not_in_segment';
}

/** Every condition of `rules`, at any depth, in order. */
export function* conditionsOf(rules: readonly Rule[]): Generator<Condition> {
  for (const rule of rules) {
    yield* rule.conditions;
    yield* conditionsOf(rule.rules);
  }
}
