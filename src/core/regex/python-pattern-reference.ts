import { readOctal } from './python-pattern-class.js';
import { invalid, type PatternReader, peek, take, unsupported } from './python-pattern-reader.js';

const DIGIT = /^[0-9]$/;
const NAME = /^[\p{XID_Start}_]\p{XID_Continue}*$/u;

/** `\0` and three octal digits are a character; any other number refers to a group. */
export function readNumberEscape(reader: PatternReader, first: string, at: number): number {
  if (first === '0') return readOctal(reader, first, at);
  const [second = '', third = ''] = reader.tokens.slice(reader.at, reader.at + 2);
  if (/^[0-7]{3}$/.test(first + second + third)) return readOctal(reader, first, at);
  return refuseReference(reader, Number(DIGIT.test(second) ? first + second : first), at);
}

/** Refuses a back-reference: INVALID_OPERAND where Python does too, else UNSUPPORTED_PATTERN. */
export function refuseReference(reader: PatternReader, group: number, at: number): never {
  if (group > reader.groups) return invalid(reader, `there is no group ${group} to refer to`, at);
  if (reader.openGroups.has(group)) return invalid(reader, 'a group cannot refer to itself', at);
  return unsupported(reader, 'back-references are not supported', at);
}

/** Reads a group's name and what ends it, `>` or `)`. */
export function readName(reader: PatternReader, end: string, open: number): string {
  let name = '';
  for (let token = take(reader); token !== end; token = take(reader)) {
    name += token ?? invalid(reader, 'the group name does not end', open);
  }
  if (!NAME.test(name)) invalid(reader, 'bad group name', open);
  return name;
}

/** Refuses what stands after `(?` and is no kind of group that can be matched. */
export function refuseExtension(reader: PatternReader, token: string, open: number): never {
  if (token === '<' && peek(reader) !== '=' && peek(reader) !== '!')
    return invalid(reader, 'unknown extension ?<', open);
  if (token === '=' || token === '!' || token === '<') return unsupported(reader, 'look-around is not supported', open);
  if (token === '>') return unsupported(reader, 'atomic groups are not supported', open);
  if (token === '(') return unsupported(reader, 'conditional groups are not supported', open);
  return invalid(reader, `unknown extension ?${token}`, open);
}
