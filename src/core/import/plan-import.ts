import { RollcallError } from '../errors.js';
import { isSameSegment } from '../same-segment.js';
import type { SegmentDefinition } from '../segments.js';
import { invalidDocument } from './document-node.js';
import { findProblems } from './import-problems.js';
import type { ImportedSegment } from './imported-segment.js';
import { type ExistingSegment, keyFinder, withKeptKeys, withKeys } from './segment-names.js';

export type ImportOutcome = 'created' | 'updated' | 'unchanged';

/** A segment as it will be, and what that is to what is there. */
export interface PlannedSegment extends ExistingSegment {
  readonly outcome: ImportOutcome;
}

/** Characters of a reason, as it is kept. */
const MAX_REASON_LENGTH = 1_000;

/**
 * What the segments of a document will be among those of the project, in the document's order. What the document does not say of a segment stays; a segment that cannot be
 * written as it is becomes a disabled one with the reason. Throws INVALID_DOCUMENT where two have one key.
 */
export function planImport(
  document: readonly ImportedSegment[],
  existing: readonly ExistingSegment[],
): PlannedSegment[] {
  const imported = withKeptKeys(document, existing);
  checkKeys(imported);
  const existingByKey = new Map(existing.map((segment) => [segment.key, segment]));
  const keyOf = keyFinder(imported, existing);
  const definitions = new Map(
    imported.map((segment) => [segment.key, definitionOf(segment, existingByKey.get(segment.key), keyOf)]),
  );
  const problems = problemsOf(imported, definitions, existing);
  return imported.map(({ key, name, description }) => {
    const definition = withReason(definitions.get(key), problems.get(key));
    const planned = { key, name, description, definition };
    return { ...planned, outcome: outcomeOf(planned, existingByKey.get(key)) };
  });
}

function checkKeys(imported: readonly ImportedSegment[]): void {
  const places = new Map<string, string>();
  for (const { key, pointer } of imported) {
    const earlier = places.get(key);
    if (earlier !== undefined) throw invalidDocument(pointer, `has the key '${key}', as ${earlier} has`);
    places.set(key, pointer);
  }
}

function definitionOf(
  { dialect, parent, rules, enabled, sourceId }: ImportedSegment,
  existing: ExistingSegment | undefined,
  keyOf: ReturnType<typeof keyFinder>,
): SegmentDefinition {
  const toKey = (reference: string): string => keyOf(dialect, reference);
  const isEnabled =
    existing === undefined || existing.definition.disabledReason !== undefined || existing.definition.enabled;
  return {
    dialect,
    enabled: enabled ?? isEnabled,
    parent: parent === '' ? '' : toKey(parent),
    rules: withKeys(rules, toKey),
    ...(sourceId === '' ? {} : { sourceId }),
  };
}

function problemsOf(
  imported: readonly ImportedSegment[],
  definitions: ReadonlyMap<string, SegmentDefinition>,
  existing: readonly ExistingSegment[],
): ReadonlyMap<string, RollcallError> {
  const known = new Map(
    imported.flatMap(({ key, problem }) => (problem === undefined ? [] : [[key, problem] as const])),
  );
  const wanted = new Map([...definitions].filter(([key]) => !known.has(key)));
  const all = new Map([...existing.map(({ key, definition }) => [key, definition] as const), ...definitions]);
  return findProblems(wanted, all, known);
}

function withReason(definition: SegmentDefinition | undefined, problem: RollcallError | undefined): SegmentDefinition {
  if (definition === undefined) throw new RollcallError('INTERNAL', 'a segment of the document was lost');
  if (problem === undefined) return definition;
  const property = problem.metadata['property'] ?? '';
  const place = property === '' ? '' : ` (property '${property}')`;
  const reason = [...`${problem.reason}: ${problem.message}${place}`].slice(0, MAX_REASON_LENGTH).join('');
  return { ...definition, enabled: false, disabledReason: reason };
}

function outcomeOf(planned: ExistingSegment, existing: ExistingSegment | undefined): ImportOutcome {
  if (existing === undefined) return 'created';
  return isSameSegment(planned, existing) ? 'unchanged' : 'updated';
}
