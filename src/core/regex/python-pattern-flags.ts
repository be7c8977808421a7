import {
  accept,
  invalid,
  peek,
  type PatternFlags,
  type PatternReader,
  take,
  unsupported,
} from './python-pattern-reader.js';

type FlagName = keyof PatternFlags;

const FLAG_NAMES: ReadonlyMap<string, FlagName> = new Map<string, FlagName>([
  ['i', 'ignoreCase'],
  ['m', 'multiLine'],
  ['s', 'dotAll'],
  ['x', 'verbose'],
  ['a', 'ascii'],
]);
const FLAG_LETTERS = 'imsxautL';

/** Flags that a `(?…` turns on and off, and whether for the whole pattern, `(?i)`, or for one group, `(?i:…)`. */
export interface FlagChange {
  readonly isGlobal: boolean;
  readonly flags: PatternFlags;
}

export function isFlagLetter(token: string): boolean {
  return FLAG_LETTERS.includes(token);
}

/** Reads the flags after `(?` up to and with the `)` or `:`, and gives the flags that hold from there. */
export function readFlags(reader: PatternReader, open: number): FlagChange {
  const on = readLetters(reader, open);
  const charset = charsetOf(reader, on, open);
  if (accept(reader, ')')) {
    if (charset !== '' && reader.charset !== '' && charset !== reader.charset) refuseCharset(reader, open);
    reader.charset = charset === '' ? reader.charset : charset;
    return { isGlobal: true, flags: changed(reader.flags, on, '') };
  }
  const off = accept(reader, '-') ? readLetters(reader, open) : undefined;
  if (off === '' || !accept(reader, ':')) invalid(reader, 'missing flag or ":"', open);
  if (off !== undefined && /[au]/.test(off)) invalid(reader, 'the flags a and u cannot be turned off', open);
  if (Array.from(off ?? '').some((letter) => on.includes(letter))) invalid(reader, 'flag turned on and off', open);
  return { isGlobal: false, flags: changed(reader.flags, on, off ?? '') };
}

function charsetOf(reader: PatternReader, on: string, open: number): '' | 'a' | 'u' {
  if (on.includes('a')) return on.includes('u') ? refuseCharset(reader, open) : 'a';
  return on.includes('u') ? 'u' : '';
}

function refuseCharset(reader: PatternReader, open: number): never {
  return invalid(reader, 'the flags a and u exclude each other', open);
}

function readLetters(reader: PatternReader, open: number): string {
  let letters = '';
  for (let token = peek(reader); token !== undefined && isFlagLetter(token); token = peek(reader)) {
    if (token === 'L') invalid(reader, 'the flag L is for bytes', open);
    if (token === 't') unsupported(reader, 'the flag t is not supported', open);
    letters += token;
    take(reader);
  }
  return letters;
}

function changed(flags: PatternFlags, on: string, off: string): PatternFlags {
  const next: Record<FlagName, boolean> = { ...flags };
  if (on.includes('u')) next.ascii = false;
  for (const [letter, name] of FLAG_NAMES) {
    if (on.includes(letter)) next[name] = true;
    if (off.includes(letter)) next[name] = false;
  }
  return next;
}
