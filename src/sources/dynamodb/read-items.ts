import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { checkIdentifier } from '../../core/check-identifier.js';
import { RollcallError } from '../../core/errors.js';
import type { SkippedRow, SourceIdentity } from '../../core/source.js';
import type { TableKey } from './cursors.js';
import type { Item } from './read-traits.js';
import { readTraits } from './read-traits.js';

/** The attributes that are read; an identity's overrides and dates stay where they are. */
export const ATTRIBUTES: readonly string[] = [
  'composite_key',
  'environment_api_key',
  'identifier',
  'identity_traits',
  'system_traits',
  'django_id',
];

export interface ReadItems {
  readonly identities: readonly SourceIdentity[];
  readonly skipped: readonly SkippedRow[];
}

/**
 * The identities of a page's items, in their order. The table's key is the composite key, so an identifier may come twice: within a page the item counts that Edge itself finds, whose composite
 * key is `<environment key>_<identifier>`, else the last; the others are skipped, also those that follow it on the next page of an index, which begins after the key `after`.
 */
export function readItems(items: readonly Item[], after?: TableKey): ReadItems {
  const taken = new Map<string, { readonly item: Item; readonly identity: SourceIdentity }>();
  const skipped: SkippedRow[] = [];
  for (const item of items) {
    const read = readItem(item);
    if ('reason' in read) {
      skipped.push(read);
      continue;
    }
    const name = `${read.environmentKey}\0${read.identifier}`;
    if (after?.['identifier'] === read.identifier && isCanonical(after['composite_key'], read)) {
      skipped.push(repeated(item, read));
      continue;
    }
    const earlier = taken.get(name);
    const isKept = earlier !== undefined && isCanonical(earlier.item['composite_key']?.S, read);
    if (earlier !== undefined) skipped.push(repeated(isKept ? item : earlier.item, read));
    if (!isKept) taken.set(name, { item, identity: read });
  }
  return { identities: Array.from(taken.values(), ({ identity }) => identity), skipped };
}

function isCanonical(compositeKey: string | undefined, { environmentKey, identifier }: SourceIdentity): boolean {
  return compositeKey === `${environmentKey}_${identifier}`;
}

function repeated(item: Item, { environmentKey, identifier }: SourceIdentity): SkippedRow {
  const explanation = 'another item has the same identifier';
  return { where: placeOf(item), environmentKey, identifier, reason: 'INVALID_IDENTIFIER', explanation };
}

function readItem(item: Item): SourceIdentity | SkippedRow {
  let known = { environmentKey: '', identifier: '' };
  try {
    const environmentKey = readEnvironmentKey(item['environment_api_key']);
    known = { ...known, environmentKey };
    const identifier = readIdentifier(item['identifier']);
    known = { environmentKey, identifier };
    return { ...known, ...readKeyOverride(item['django_id']), traits: readTraits(item) };
  } catch (error) {
    if (!(error instanceof RollcallError)) throw error;
    const trait = error.metadata['trait'];
    const explanation = trait === undefined ? error.message : `${error.message} (${JSON.stringify(printable(trait))})`;
    return { where: placeOf(item), ...known, reason: error.reason, explanation };
  }
}

function readEnvironmentKey(attribute: AttributeValue | undefined): string {
  const key = attribute?.S ?? '';
  if (key !== '' && !key.includes('\0') && key.isWellFormed()) return key;
  throw new RollcallError('INVALID_DOCUMENT', 'an item without an environment_api_key that could be one');
}

/** Throws INVALID_IDENTIFIER. */
function readIdentifier(attribute: AttributeValue | undefined): string {
  const identifier = attribute?.S;
  if (identifier === undefined)
    throw new RollcallError('INVALID_IDENTIFIER', 'an item without an identifier that is a text');
  checkIdentifier(identifier);
  return identifier;
}

/** Edge takes the id for `identity.key` where there is one, and counts 0 as none. */
function readKeyOverride(djangoId: AttributeValue | undefined): { keyOverride?: string } {
  if (djangoId === undefined || djangoId.NULL !== undefined) return {};
  const text = djangoId.N ?? djangoId.S ?? '';
  if (!INTEGER.test(text)) throw new RollcallError('INVALID_IDENTIFIER', 'a django_id is a whole number');
  return text === '0' ? {} : { keyOverride: text };
}

const INTEGER = /^(?:0|-?[1-9][0-9]{0,37})$/;

function placeOf(item: Item): string {
  return `composite_key ${JSON.stringify(printable(item['composite_key']?.S ?? ''))}`;
}

function printable(text: string): string {
  const short = text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text;
  return short.replaceAll(/[\0\p{Surrogate}]/gu, '\uFFFD');
}

const MAX_SHOWN_LENGTH = 200;
