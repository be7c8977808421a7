import { isUtf8 } from 'node:buffer';
import { RollcallError } from '../../core/errors.js';
import { parseTrait } from '../../core/trait-text.js';
import type { TraitValue } from '../../core/values.js';

/** Lists and objects within each other, of a message; the parser recurses. */
const MAX_DEPTH = 256;
const BYTE_ORDER_MARK = /^\uFEFF/;

/** A message's JSON, exactly (see `parseTrait`). Throws INVALID_REQUEST where the bytes are none. */
export function parseJsonBytes(bytes: Buffer): TraitValue {
  if (!isUtf8(bytes)) throw new RollcallError('INVALID_REQUEST', 'the message is JSON that is not UTF-8');
  return parseJsonText(bytes.toString('utf8').replace(BYTE_ORDER_MARK, ''));
}

/** A JSON text, exactly. Throws INVALID_REQUEST where it is none. */
export function parseJsonText(text: string): TraitValue {
  if (depthOf(text) > MAX_DEPTH)
    throw new RollcallError('INVALID_REQUEST', `the message is JSON that is nested more than ${MAX_DEPTH} levels deep`);
  try {
    return parseTrait(text.trim());
  } catch (cause) {
    const why = cause instanceof Error && cause.cause instanceof Error ? `: ${cause.cause.message.slice(0, 200)}` : '';
    throw new RollcallError('INVALID_REQUEST', `the message is not JSON${why.toWellFormed()}`, { cause });
  }
}

/** How deep brackets nest outside of strings. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isInString) {
      if (code === BACKSLASH) at++;
      else if (code === QUOTE) isInString = false;
    } else if (code === QUOTE) isInString = true;
    else if (code === OPENING_BRACE || code === OPENING_BRACKET) deepest = Math.max(deepest, ++depth);
    else if (code === CLOSING_BRACE || code === CLOSING_BRACKET) depth--;
  }
  return deepest;
}

const QUOTE = 0x22;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
