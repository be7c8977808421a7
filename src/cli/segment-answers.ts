import type { Segment } from '../gen/rollcall/v1/segment_pb.js';
import { type ImportedSegment, ImportOutcome } from '../gen/rollcall/v1/segment_service_pb.js';
import { timeText } from './format.js';
import type { Json } from './json.js';
import { dialectName } from './dialects.js';
import { ruleJson } from './segment-definition.js';
import { formatTable, printable } from './table.js';

/** A segment in the form in which `segment put` reads it, with its etag and times. */
export function segmentJson(segment: Segment): Json {
  const { project, key, name, description, rules, parent, enabled, disabledReason, etag, createdAt, updatedAt } =
    segment;
  const dialect = dialectName(segment.dialect);
  return {
    project,
    key,
    name,
    description,
    dialect: dialect === 'flagsmith' ? undefined : dialect,
    rules: rules.map((rule) => ruleJson(rule, dialect)),
    parent: parent === '' ? undefined : parent,
    enabled,
    disabledReason: disabledReason === '' ? undefined : disabledReason,
    etag,
    createdAt: timeText(createdAt),
    updatedAt: timeText(updatedAt),
  };
}

/** With the reasons of those that an import disabled, where there are such. */
export function segmentTable(segments: readonly Segment[]): string {
  const hasReasons = segments.some(({ disabledReason }) => disabledReason !== '');
  return formatTable(
    [
      { title: 'key' },
      { title: 'name' },
      { title: 'parent' },
      { title: 'enabled' },
      { title: 'etag' },
      { title: 'updated' },
      ...(hasReasons ? [{ title: 'disabled because' }] : []),
    ],
    segments.map(({ key, name, parent, enabled, etag, updatedAt, disabledReason }) => [
      printable(key),
      printable(name),
      printable(parent),
      enabled === false ? 'no' : 'yes',
      etag,
      timeText(updatedAt) ?? '',
      printable(disabledReason),
    ]),
  );
}

/** What an import did with a segment, or would do. */
export function importedSegmentJson({ key, name, outcome, enabled, disabledReason }: ImportedSegment): Json {
  const reason = disabledReason === '' ? undefined : disabledReason;
  return { key, name, outcome: importOutcomeText(outcome), enabled, disabledReason: reason };
}

export function importOutcomeText(outcome: ImportOutcome): string {
  return OUTCOMES[outcome];
}

const OUTCOMES: Readonly<Record<ImportOutcome, string>> = {
  [ImportOutcome.UNSPECIFIED]: 'unknown',
  [ImportOutcome.CREATED]: 'created',
  [ImportOutcome.UPDATED]: 'updated',
  [ImportOutcome.UNCHANGED]: 'unchanged',
};
