import { isList, parseTrait, splitTraits } from '../../core/trait-text.js';
import type { TraitValue } from '../../core/values.js';
import { isInt64 } from './trait-messages.js';
import {
  type WireOutput,
  writeByte,
  writeDelimited,
  writeDouble,
  writeInt64,
  writeString,
  writeVarint,
} from './wire-output.js';

/** Tags of TraitValue: a field's number and wire type, each below 128, so one byte. */
const TAG = {
  string: 0x0a,
  int: 0x10,
  bigInt: 0x1a,
  float: 0x21,
  bool: 0x28,
  null: 0x30,
  list: 0x3a,
  map: 0x42,
} as const;
/** Of `values` in TraitList and TraitMap, and of a map entry's fields. */
const VALUES_TAG = 0x0a;
const KEY_TAG = 0x0a;
const VALUE_TAG = 0x12;

/** Writes the traits of a stored identity, whose text is a JSON object, as a map field with this tag: the bytes that the generated code makes of `traitMessagesOf`, but for the order of the entries. */
export function writeTraits(output: WireOutput, tag: number, text: string): void {
  for (const [key, value] of splitTraits(text)) writeTrait(output, tag, key, parseTrait(value));
}

/** Writes one trait as an entry of the map field with this tag. */
export function writeTrait(output: WireOutput, tag: number, key: string, value: TraitValue): void {
  writeByte(output, tag);
  writeDelimited(output, () => {
    writeByte(output, KEY_TAG);
    writeString(output, key);
    writeByte(output, VALUE_TAG);
    writeDelimited(output, () => writeValue(output, value));
  });
}

function writeValue(output: WireOutput, value: TraitValue): void {
  if (typeof value === 'string') writeText(output, TAG.string, value);
  else if (typeof value === 'boolean') writeBytePair(output, TAG.bool, value ? 1 : 0);
  else if (typeof value === 'number') {
    writeByte(output, TAG.float);
    writeDouble(output, value);
  } else if (typeof value === 'bigint') writeInteger(output, value);
  else if (value === null) writeBytePair(output, TAG.null, 0);
  else writeCollection(output, value);
}

function writeInteger(output: WireOutput, value: bigint): void {
  if (!isInt64(value)) {
    writeText(output, TAG.bigInt, value.toString());
    return;
  }
  writeByte(output, TAG.int);
  writeInt64(output, value);
}

function writeCollection(output: WireOutput, value: Extract<TraitValue, object>): void {
  writeByte(output, isList(value) ? TAG.list : TAG.map);
  writeDelimited(output, () => {
    if (!isList(value)) {
      for (const [key, inner] of Object.entries(value)) writeTrait(output, VALUES_TAG, key, inner);
      return;
    }
    for (const inner of value) {
      writeByte(output, VALUES_TAG);
      writeDelimited(output, () => writeValue(output, inner));
    }
  });
}

function writeText(output: WireOutput, tag: number, text: string): void {
  writeByte(output, tag);
  writeString(output, text);
}

function writeBytePair(output: WireOutput, tag: number, byte: number): void {
  writeByte(output, tag);
  writeVarint(output, byte);
}
