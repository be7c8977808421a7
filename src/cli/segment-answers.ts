import type { Segment } from '../gen/rollcall/v1/segment_pb.js';
import { timeText } from './format.js';
import type { Json } from './json.js';
import { ruleJson } from './segment-definition.js';
import { formatTable, printable } from './table.js';

/** A segment in the form in which `segment put` reads it, with its etag and times. */
export function segmentJson(segment: Segment): Json {
  const { project, key, name, description, rules, parent, enabled, etag, createdAt, updatedAt } = segment;
  return {
    project,
    key,
    name,
    description,
    rules: rules.map(ruleJson),
    parent: parent === '' ? undefined : parent,
    enabled,
    etag,
    createdAt: timeText(createdAt),
    updatedAt: timeText(updatedAt),
  };
}

export function segmentTable(segments: readonly Segment[]): string {
  return formatTable(
    [
      { title: 'key' },
      { title: 'name' },
      { title: 'parent' },
      { title: 'enabled' },
      { title: 'etag' },
      { title: 'updated' },
    ],
    segments.map(({ key, name, parent, enabled, etag, updatedAt }) => [
      printable(key),
      printable(name),
      printable(parent),
      enabled === false ? 'no' : 'yes',
      etag,
      timeText(updatedAt) ?? '',
    ]),
  );
}
