import type { SegmentDefinition } from './segments.js';

/** What callers write of a segment. */
export interface WrittenSegmentParts {
  readonly name: string;
  readonly description: string;
  readonly definition: SegmentDefinition;
}

/** Whether two segments read the same, whatever the order of their members in JSON. */
export function isSameSegment(one: WrittenSegmentParts, other: WrittenSegmentParts): boolean {
  return sortedJson(one) === sortedJson(other);
}

function sortedJson({ name, description, definition }: WrittenSegmentParts): string {
  return JSON.stringify({ name, description, definition }, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
