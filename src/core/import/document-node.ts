import { RollcallError } from '../errors.js';
import { formatTrait, isList } from '../trait-text.js';
import type { TraitValue } from '../values.js';

/** A value within a document, and where it stands there: a JSON pointer (RFC 6901), '' for the whole. */
export interface DocumentNode {
  readonly value: TraitValue;
  readonly pointer: string;
}

/** A document that cannot be read as it is meant to be, with the place. */
export function invalidDocument(pointer: string, message: string, cause?: unknown): RollcallError {
  const place = pointer === '' ? 'the document' : pointer;
  return new RollcallError('INVALID_DOCUMENT', `${place} ${message}`, { metadata: { pointer }, cause });
}

/** A member of an object; undefined where the value is no object or has none, or only null. */
export function memberOf({ value, pointer }: DocumentNode, name: string): DocumentNode | undefined {
  if (typeof value !== 'object' || value === null || isList(value) || !Object.hasOwn(value, name)) return undefined;
  const member = value[name] ?? null;
  return member === null ? undefined : { value: member, pointer: `${pointer}/${escapeToken(name)}` };
}

/** The same, of the first of these names that is there. */
export function firstMemberOf(node: DocumentNode, ...names: readonly string[]): DocumentNode | undefined {
  for (const name of names) {
    const member = memberOf(node, name);
    if (member !== undefined) return member;
  }
  return undefined;
}

/** The items of a list; none where there is no node. Throws INVALID_DOCUMENT where it is no list. */
export function itemsOf(node: DocumentNode | undefined): DocumentNode[] {
  if (node === undefined) return [];
  const { value, pointer } = node;
  if (typeof value !== 'object' || value === null || !isList(value)) throw invalidDocument(pointer, 'must be a list');
  return value.map((item, index) => ({ value: item, pointer: `${pointer}/${index}` }));
}

/** The same node. Throws INVALID_DOCUMENT where it is no object. */
export function expectObject(node: DocumentNode): DocumentNode {
  const { value, pointer } = node;
  if (typeof value !== 'object' || value === null || isList(value)) throw invalidDocument(pointer, 'must be an object');
  return node;
}

/** A text; '' where there is no node. A number stands for its digits. Throws INVALID_DOCUMENT for what else it may be, and where it is longer than `maxLength`. */
export function textOf(node: DocumentNode | undefined, maxLength: number): string {
  if (node === undefined) return '';
  const { value, pointer } = node;
  if (typeof value !== 'string' && typeof value !== 'bigint' && typeof value !== 'number')
    throw invalidDocument(pointer, 'must be a text');
  const text = typeof value === 'string' ? value : formatTrait(value);
  if ([...text].length > maxLength) throw invalidDocument(pointer, `is longer than ${maxLength} characters`);
  checkTexts(text, pointer);
  return text;
}

/** The JSON text of a value. Throws INVALID_DOCUMENT for what a database does not keep. */
export function jsonOf({ value, pointer }: DocumentNode): string {
  checkTexts(value, pointer);
  return formatTrait(value);
}

function checkTexts(value: TraitValue, pointer: string): void {
  if (typeof value === 'string') {
    if (value.includes('\0')) throw invalidDocument(pointer, 'contains a NUL character');
    if (/\p{Surrogate}/u.test(value)) throw invalidDocument(pointer, 'contains half of a surrogate pair');
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, member] of Object.entries(value)) {
      checkTexts(name, pointer);
      checkTexts(member, pointer);
    }
  }
}

function escapeToken(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
