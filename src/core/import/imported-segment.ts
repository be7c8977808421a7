import { RollcallError } from '../errors.js';
import type { Dialect, Rule } from '../segments.js';
import { type DocumentNode, firstMemberOf, invalidDocument, memberOf, textOf } from './document-node.js';

/** A segment as a document has it. References are by key, name or id, as the document makes them. */
export interface ImportedSegment {
  /** Where it stands in the document. */
  readonly pointer: string;
  readonly dialect: Dialect;
  readonly key: string;
  readonly name: string;
  readonly description: string;
  /** Its id where it comes from; '' where it has none, or the id is its key. */
  readonly sourceId: string;
  readonly parent: string;
  /** Undefined where the document does not say. */
  readonly enabled: boolean | undefined;
  readonly rules: readonly Rule[];
  /** Why its rules cannot be what they are there. */
  readonly problem: RollcallError | undefined;
}

/** Characters of a key, of a name, of a description, of the name of a property and of an operator. */
const MAX_KEY_LENGTH = 255;
const MAX_NAME_LENGTH = 2_000;
const MAX_DESCRIPTION_LENGTH = 10_000;
export const MAX_PROPERTY_LENGTH = 2_000;
export const MAX_OPERATOR_LENGTH = 255;

/** What the members of an object say of a segment beside its rules. `keyNames` are the members that may be its key, the best first. */
export function describeSegment(
  node: DocumentNode,
  dialect: Dialect,
  keyNames: readonly string[],
): Omit<ImportedSegment, 'rules' | 'problem'> {
  const key = keyOf(node, keyNames);
  const sourceId = textOf(memberOf(node, 'id'), MAX_NAME_LENGTH);
  const parent = firstMemberOf(node, 'parent_segment_id', 'parent');
  return {
    pointer: node.pointer,
    dialect,
    key,
    name: textOf(memberOf(node, 'name'), MAX_NAME_LENGTH) || key,
    description: textOf(memberOf(node, 'description'), MAX_DESCRIPTION_LENGTH),
    sourceId: sourceId === key ? '' : sourceId,
    parent: textOf(parent, MAX_NAME_LENGTH),
    enabled: enabledOf(memberOf(node, 'enabled')),
  };
}

function keyOf(node: DocumentNode, names: readonly string[]): string {
  for (const name of names) {
    const text = textOf(memberOf(node, name), MAX_NAME_LENGTH);
    if (isKey(text)) return text;
  }
  const wanted = `1 to ${MAX_KEY_LENGTH} characters without control characters`;
  throw invalidDocument(node.pointer, `has no key: one of ${names.join(', ')} must be a text of ${wanted}`);
}

/** Whether a text can be a segment's key. */
export function isKey(text: string): boolean {
  const { length } = [...text];
  return length > 0 && length <= MAX_KEY_LENGTH && !/[\u0000-\u001f\u007f]/.test(text);
}

function enabledOf(node: DocumentNode | undefined): boolean | undefined {
  if (node === undefined || typeof node.value === 'boolean')
    return node?.value === undefined ? undefined : node.value === true;
  throw invalidDocument(node.pointer, 'must be true or false');
}

/** Rules, or why they cannot be kept: what is wrong with one segment does not keep the others out. */
export function readRules(read: () => readonly Rule[]): Pick<ImportedSegment, 'rules' | 'problem'> {
  try {
    return { rules: read(), problem: undefined };
  } catch (problem) {
    if (!(problem instanceof RollcallError) || problem.reason === 'INVALID_DOCUMENT') throw problem;
    return { rules: [], problem };
  }
}
