import { RollcallError } from '../errors.js';
import { type Dialect, DIALECTS, type Rule } from '../segments.js';
import { isList } from '../trait-text.js';
import { type DocumentNode, firstMemberOf, invalidDocument, itemsOf, memberOf } from './document-node.js';
import { readFlagsmithSegment } from './flagsmith-document.js';
import { type ImportedSegment, isKey, readRules } from './imported-segment.js';
import { readLitestarConditions, readLitestarSegment } from './litestar-document.js';
import { readMozhnoRules, readMozhnoSegment } from './mozhno-document.js';

/** Segments of one document. */
export const MAX_DOCUMENT_SEGMENTS = 10_000;

/** How a document is to be read. */
export interface DocumentReading {
  /** Undefined: told by the document's shape. */
  readonly format: Dialect | undefined;
  /** The key of the one segment that a bare list of conditions or rules makes; '' where the document has segments. */
  readonly key: string;
}

/**
 * The segments of a document: a Flagsmith environment, a list of Flagsmith's, litestar-flags' or Mozhno's segments, one of them, or a bare list of litestar-flags' conditions
 * or Mozhno's rules. Everything else in it is passed over. Throws INVALID_DOCUMENT with the place, INVALID_REQUEST where a key is missing or not wanted.
 */
export function readSegments(root: DocumentNode, { format: asked, key }: DocumentReading): ImportedSegment[] {
  const entries = entriesOf(root);
  const format = asked ?? formatOf(root, entries);
  if (entries.length > MAX_DOCUMENT_SEGMENTS)
    throw invalidDocument(root.pointer, `has more than ${MAX_DOCUMENT_SEGMENTS} segments`);
  if (format === undefined) {
    if (entries.length === 0 && key === '') return [];
    throw invalidDocument(root.pointer, `does not show its format: say which of ${DIALECTS.join(', ')} it is`);
  }
  const readBare = BARE[format];
  if (readBare !== undefined && isBare(root, entries, key)) return [bareSegment(format, key, () => readBare(root))];
  if (key !== '') throw keyError('a key is only for a bare list of conditions or rules: these are segments');
  for (const entry of entries) checkShape(entry, format);
  return entries.map(SEGMENTS[format]);
}

/** Where a segment's rules stand. */
const RULE_MEMBERS: Readonly<Record<Dialect, readonly string[]>> = {
  flagsmith: ['rules'],
  litestar: ['conditions'],
  mozhno: ['constraints', 'rules'],
};

/** Refuses a segment whose rules stand where another format has them: it would have lost them all. */
function checkShape(entry: DocumentNode, format: Dialect): void {
  const others = Object.values(RULE_MEMBERS).flat();
  if (firstMemberOf(entry, ...RULE_MEMBERS[format]) !== undefined || firstMemberOf(entry, ...others) === undefined)
    return;
  throw invalidDocument(
    entry.pointer,
    `is no segment of the format ${format}: it has no ${RULE_MEMBERS[format][0] ?? ''}`,
  );
}

const SEGMENTS: Readonly<Record<Dialect, (node: DocumentNode) => ImportedSegment>> = {
  flagsmith: readFlagsmithSegment,
  litestar: readLitestarSegment,
  mozhno: readMozhnoSegment,
};

const BARE: Readonly<Record<Dialect, ((node: DocumentNode) => Rule[]) | undefined>> = {
  flagsmith: undefined,
  litestar: readLitestarConditions,
  mozhno: readMozhnoRules,
};

/** What may be segments, conditions or rules: the items of the list that the document is or holds, or the document itself. */
function entriesOf(root: DocumentNode): DocumentNode[] {
  if (isListNode(root)) return itemsOf(root);
  const project = memberOf(root, 'project');
  const held = (project && memberOf(project, 'segments')) ?? firstMemberOf(root, 'segments', 'results');
  if (held !== undefined) return itemsOf(held);
  if (firstMemberOf(root, 'rules', 'conditions', 'constraints') !== undefined) return [root];
  throw invalidDocument(root.pointer, 'holds no segments');
}

function isListNode({ value }: DocumentNode): boolean {
  return typeof value === 'object' && value !== null && isList(value);
}

function isBare(root: DocumentNode, entries: readonly DocumentNode[], key: string): boolean {
  if (!isListNode(root)) return false;
  const [first] = entries;
  return first === undefined ? key !== '' : firstMemberOf(first, 'attribute', 'field', 'operator') !== undefined;
}

function bareSegment(dialect: Dialect, key: string, read: () => Rule[]): ImportedSegment {
  if (!isKey(key)) throw keyError('the document is a bare list of conditions or rules: give the key of the segment');
  const described = { pointer: '', dialect, key, name: key, description: '', sourceId: '', parent: '' };
  return { ...described, enabled: undefined, ...readRules(read) };
}

function keyError(message: string): RollcallError {
  return new RollcallError('INVALID_REQUEST', message, { metadata: { field: 'key' } });
}

function formatOf(root: DocumentNode, entries: readonly DocumentNode[]): Dialect | undefined {
  if (memberOf(root, 'project') !== undefined) return 'flagsmith';
  for (const entry of entries) {
    const format = formatOfEntry(entry);
    if (format !== undefined) return format;
  }
  return undefined;
}

function formatOfEntry(entry: DocumentNode): Dialect | undefined {
  if (firstMemberOf(entry, 'attribute', 'conditions') !== undefined) return 'litestar';
  if (firstMemberOf(entry, 'field', 'constraints') !== undefined) return 'mozhno';
  const [rule] = itemsOf(memberOf(entry, 'rules'));
  if (rule === undefined) return undefined;
  return memberOf(rule, 'field') === undefined ? 'flagsmith' : 'mozhno';
}
