import type { TraitValue } from '../../core/values.js';
import { MAX_RULE_DEPTH } from './segment-rules.js';

/** A row of one of the three tables of segments, under common names. */
export interface SegmentRow {
  readonly kind: 'segment' | 'rule' | 'condition';
  readonly id: number;
  /** Of a rule: what it belongs to, a segment or another rule. Of a condition: its rule. */
  readonly segment_id: number | null;
  readonly rule_id: number | null;
  /** The segment's name, the rule's type, the condition's operator. */
  readonly name: string;
  readonly property: string | null;
  readonly value: string | null;
  readonly description: string | null;
  readonly rules_data: string | null;
}

/** Finds the rules of a segment among the rows of its project. */
export type RulesOfSegment = (segmentId: number) => TraitValue[];

/** Rules of a circle come as an unknown type that says so. */
export function gatherRules(rows: readonly SegmentRow[]): RulesOfSegment {
  const rules = rows.filter(({ kind }) => kind === 'rule');
  const bySegment = groupBy(rules, ({ segment_id }) => segment_id);
  const byRule = groupBy(rules, ({ rule_id }) => rule_id);
  const conditions = groupBy(
    rows.filter(({ kind }) => kind === 'condition'),
    ({ rule_id }) => rule_id,
  );
  const ruleOf = ({ id, name }: SegmentRow, above: readonly number[]): TraitValue => {
    if (above.includes(id)) return { type: `(rule ${id} is within itself)` };
    const within = above.length > MAX_RULE_DEPTH ? [] : (byRule.get(id) ?? []);
    return {
      type: name,
      conditions: (conditions.get(id) ?? []).map(conditionOf),
      rules: within.map((rule) => ruleOf(rule, [...above, id])),
    };
  };
  return (segmentId) => (bySegment.get(segmentId) ?? []).map((rule) => ruleOf(rule, []));
}

function conditionOf({ property, name, value }: SegmentRow): TraitValue {
  return { property, operator: name, value };
}

function groupBy(rows: readonly SegmentRow[], keyOf: (row: SegmentRow) => number | null) {
  const groups = new Map<number, SegmentRow[]>();
  for (const row of rows) {
    const key = keyOf(row);
    if (key === null) continue;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return groups;
}
