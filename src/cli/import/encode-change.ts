import { isList } from '../../core/trait-text.js';
import type { TraitValue } from '../../core/values.js';
import { ReverseWriter } from './reverse-writer.js';

/** A change of one identity, as it is sent. */
export interface OutgoingChange {
  readonly environment: string;
  readonly identifier: string;
  /** Only where ids are given. */
  readonly id?: bigint;
  readonly kind: keyof typeof CHANGE_TAGS;
  readonly traits: Readonly<Record<string, TraitValue>>;
}

/** Tags (field number and wire type) of the messages that a change is made of; each is one byte. */
const CHANGE_TAGS = { upsert: 0x2a, set_traits: 0x32, delete: 0x3a } as const;
const CHANGE = { inBatch: 0x0a, environmentKey: 0x0a, identifier: 0x12, identityId: 0x18 } as const;
const MAP = { entry: 0x0a, key: 0x0a, value: 0x12 } as const;
const TRAIT = {
  text: 0x0a,
  int: 0x10,
  bigInt: 0x1a,
  float: 0x21,
  bool: 0x28,
  null: 0x30,
  list: 0x3a,
  map: 0x42,
} as const;
const LIST_VALUE = 0x0a;

const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;

const writer = new ReverseWriter();

/**
 * The change as an element of `ApplyChangesRequest.changes`: several of them, one after the other, are such a request. By hand,
 * because an import does nothing else for each trait: the generated encoder takes ten times as long.
 */
export function encodeChange({ environment, identifier, id, kind, traits }: OutgoingChange): Buffer {
  writer.nested(CHANGE.inBatch, () => {
    writer.nested(CHANGE_TAGS[kind], () => writeTraits(traits));
    if (id !== undefined) {
      writer.bigVarint(id);
      writer.byte(CHANGE.identityId);
    }
    writeText(CHANGE.identifier, identifier);
    writeText(CHANGE.environmentKey, environment);
  });
  return writer.take();
}

function writeText(tag: number, text: string): void {
  writer.nested(tag, () => writer.text(text));
}

function writeTraits(traits: Readonly<Record<string, TraitValue>>): void {
  for (const [name, value] of Object.entries(traits)) {
    writer.nested(MAP.entry, () => {
      writer.nested(MAP.value, () => writeTrait(value));
      writeText(MAP.key, name);
    });
  }
}

function writeTrait(value: TraitValue): void {
  if (typeof value === 'string') writeText(TRAIT.text, value);
  else if (typeof value === 'bigint') writeInteger(value);
  else if (typeof value === 'number') writeFloat(value);
  else if (typeof value === 'boolean') writeTagged(TRAIT.bool, value ? 1 : 0);
  else if (value === null) writeTagged(TRAIT.null, 0);
  else if (isList(value)) writer.nested(TRAIT.list, () => writeList(value));
  else writer.nested(TRAIT.map, () => writeTraits(value));
}

function writeInteger(value: bigint): void {
  if (value < MIN_INT64 || value > MAX_INT64) {
    writeText(TRAIT.bigInt, value.toString());
    return;
  }
  writer.bigVarint(value);
  writer.byte(TRAIT.int);
}

function writeFloat(value: number): void {
  writer.double(value);
  writer.byte(TRAIT.float);
}

function writeTagged(tag: number, value: number): void {
  writer.byte(value);
  writer.byte(tag);
}

function writeList(values: readonly TraitValue[]): void {
  for (const value of values.toReversed()) writer.nested(LIST_VALUE, () => writeTrait(value));
}
