import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { checkTrait, DEFAULT_TRAIT_LIMITS } from '../../core/check-trait.js';
import { RollcallError } from '../../core/errors.js';
import { readNumber } from './read-number.js';

export type Item = Readonly<Record<string, AttributeValue>>;

/**
 * The traits of an item as JSON texts. Those of `system_traits` win; of a repeated key the last counts; a null is no trait, and hides what it wins over. Throws INVALID_TRAIT
 * for lists, maps, sets and binary values, of which Edge's identities have none, and for what cannot be kept as it is.
 */
export function readTraits(item: Item): Map<string, string> {
  const traits = new Map<string, string>();
  for (const name of ['identity_traits', 'system_traits']) addTraits(traits, item[name], name);
  return traits;
}

/** Edge writes a list of traits, and system traits as a map from keys to values; either is read in both places. */
function addTraits(traits: Map<string, string>, attribute: AttributeValue | undefined, name: string): void {
  if (attribute === undefined || attribute.NULL !== undefined) return;
  if (attribute.L !== undefined) {
    for (const element of attribute.L) addTrait(traits, ...readElement(element, name));
  } else if (attribute.M !== undefined) {
    for (const [key, value] of Object.entries(attribute.M)) addTrait(traits, key, value);
  } else {
    throw new RollcallError('INVALID_TRAIT', `${name} is neither a list nor a map`);
  }
}

function readElement({ M: element }: AttributeValue, name: string): [string, AttributeValue | undefined] {
  const key = element?.['trait_key']?.S;
  if (key === undefined) throw new RollcallError('INVALID_TRAIT', `${name} has an element without a trait_key`);
  return [key, element?.['trait_value']];
}

function addTrait(traits: Map<string, string>, key: string, value: AttributeValue | undefined): void {
  const text = value === undefined ? null : readValue(key, value);
  if (text === null) traits.delete(key);
  else traits.set(key, text);
}

/** Null for a null. */
function readValue(key: string, value: AttributeValue): string | null {
  if (value.S !== undefined) {
    checkTrait(key, value.S, DEFAULT_TRAIT_LIMITS);
    return JSON.stringify(value.S);
  }
  // Of these only the key can be at fault.
  checkTrait(key, null, DEFAULT_TRAIT_LIMITS);
  if (value.N !== undefined) return readNumber(value.N) ?? refuse(key, 'a number that is none');
  if (value.BOOL !== undefined) return String(value.BOOL);
  return value.NULL !== undefined ? null : refuse(key, 'a list, a map, a set or a binary');
}

function refuse(key: string, what: string): never {
  throw new RollcallError('INVALID_TRAIT', `a trait is ${what}`, { metadata: { trait: key } });
}
