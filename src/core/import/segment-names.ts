import { type Dialect, isReference, type Rule, type SegmentDefinition } from '../segments.js';
import type { ImportedSegment } from './imported-segment.js';

/** A segment that is there already. */
export interface ExistingSegment {
  readonly key: string;
  readonly name: string;
  readonly description: string;
  readonly definition: SegmentDefinition;
}

/** The segments of a document under the keys that they have or get: one that was imported before keeps its key, also under another name. */
export function withKeptKeys(
  imported: readonly ImportedSegment[],
  existing: readonly ExistingSegment[],
): ImportedSegment[] {
  const keys = new Map(
    existing.flatMap(({ key, definition: { dialect, sourceId } }) =>
      sourceId === undefined ? [] : [[`${dialect} ${sourceId}`, key] as const],
    ),
  );
  return imported.map((segment) => {
    const { dialect, sourceId, key } = segment;
    return sourceId === '' ? segment : { ...segment, key: keys.get(`${dialect} ${sourceId}`) ?? key };
  });
}

/**
 * The key of the segment that a reference names: in every dialect by key, in litestar-flags' also by name or id, those of the same document first. The reference as it
 * is where there is none, or more than one of that name.
 */
export function keyFinder(
  imported: readonly ImportedSegment[],
  existing: readonly ExistingSegment[],
): (dialect: Dialect, reference: string) => string {
  const keys = new Set([...imported, ...existing].map(({ key }) => key));
  const tables = [
    tableOf(imported.map(({ sourceId, key }) => [sourceId, key])),
    tableOf(imported.map(({ name, key }) => [name, key])),
    tableOf(existing.map(({ definition, key }) => [definition.sourceId ?? '', key])),
    tableOf(existing.map(({ name, key }) => [name, key])),
  ];
  return (dialect, reference) => {
    if (keys.has(reference) || dialect !== 'litestar') return reference;
    for (const table of tables) {
      const key = table.get(reference);
      if (key !== undefined) return key;
    }
    return reference;
  };
}

/** What names one key only. */
function tableOf(entries: readonly (readonly [string, string])[]): ReadonlyMap<string, string> {
  const table = new Map<string, string>();
  const ambiguous = new Set<string>();
  for (const [name, key] of entries) {
    if (table.has(name) && table.get(name) !== key) ambiguous.add(name);
    table.set(name, key);
  }
  for (const name of ambiguous) table.delete(name);
  return table;
}

/** Rules whose references are keys. */
export function withKeys(rules: readonly Rule[], keyOf: (reference: string) => string): Rule[] {
  return rules.map((rule) => ({
    type: rule.type,
    conditions: rule.conditions.map((condition) =>
      isReference(condition.operator) ? { ...condition, value: keyOf(condition.value) } : condition,
    ),
    rules: withKeys(rule.rules, keyOf),
  }));
}
