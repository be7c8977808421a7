import { checkTrait, DEFAULT_TRAIT_LIMITS } from '../../core/check-trait.js';
import { formatTrait, parseTrait } from '../../core/trait-text.js';
import { endOfUsualObject, isUsualNumber, MAX_FAST_CHARACTERS } from './usual-object.js';

/**
 * Goes over a JSON text that is probably what programs write, without building it: each value is given as its own text, in the form of `trait-text.ts` and
 * checked as a trait. Whatever is unusual gives undefined: it may be wrong, or right in an unusual way.
 */
export class JsonScanner {
  #text = '';
  #at = 0;
  #end = 0;

  /** Begins at `from`; the text ends at `to`. */
  begin(text: string, from: number, to: number): void {
    this.#text = text;
    this.#at = from;
    this.#end = to;
  }

  /** Goes over one character and the space before it, if that is what comes. */
  take(code: number): boolean {
    if (this.peek() !== code) return false;
    this.#at++;
    return true;
  }

  /** The character that comes after space. */
  peek(): number {
    let code = this.#text.charCodeAt(this.#at);
    while (code === SPACE) code = this.#text.charCodeAt(++this.#at);
    return code;
  }

  /** Whether the text is over but for space. */
  isOver(): boolean {
    this.peek();
    return this.#at >= this.#end;
  }

  /** A text that needs no escapes, without its quotes. */
  plainString(): string | undefined {
    if (this.peek() !== QUOTE) return undefined;
    const from = this.#at + 1;
    const close = this.#text.indexOf('"', from);
    if (close < 0 || close - from > MAX_FAST_CHARACTERS) return undefined;
    const text = this.#text.slice(from, close);
    if (UNUSUAL.test(text)) return undefined;
    this.#at = close + 1;
    return text;
  }

  /** Goes over this text and its quotes, if that is what comes; it needs no escapes. */
  takeString(text: string): boolean {
    if (this.peek() !== QUOTE || !this.#text.startsWith(text, this.#at + 1)) return false;
    const close = this.#at + 1 + text.length;
    if (this.#text.charCodeAt(close) !== QUOTE) return false;
    this.#at = close + 1;
    return true;
  }

  /** The text of any value. */
  value(): string | undefined {
    const code = this.peek();
    if (code === QUOTE) return this.#quoted();
    if (code === MINUS || (code >= ZERO && code <= NINE)) return this.#number();
    if (code === OPENING_BRACE || code === OPENING_BRACKET) return this.#careful(this.#endOfNested());
    return this.#word();
  }

  /** Goes over an object with at least one member, if each is a trait that is not null and whose text is its own form; gives its text. Else nothing is gone over. */
  usualObject(): string | undefined {
    if (this.peek() !== OPENING_BRACE) return undefined;
    const end = endOfUsualObject(this.#text, this.#at);
    if (end < 0 || end > this.#end) return undefined;
    const text = this.#text.slice(this.#at, end);
    this.#at = end;
    return text;
  }

  #quoted(): string | undefined {
    const from = this.#at;
    const text = this.plainString();
    if (text !== undefined) return this.#text.slice(from, this.#at);
    const close = endOfString(this.#text, from + 1);
    return this.#careful(close < 0 ? -1 : close + 1);
  }

  #number(): string | undefined {
    const end = this.#endOfNumber();
    const text = this.#text.slice(this.#at, end);
    if (!isUsualNumber(text)) return this.#careful(end);
    this.#at = end;
    return text;
  }

  #endOfNumber(): number {
    let at = this.#at + 1;
    for (let code = this.#text.charCodeAt(at); isOfNumber(code); code = this.#text.charCodeAt(at)) at++;
    return at;
  }

  #word(): string | undefined {
    for (const word of WORDS) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return word;
    }
    return undefined;
  }

  #endOfNested(): number {
    let depth = 0;
    for (let at = this.#at; at < this.#end; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === QUOTE) {
        at = endOfString(this.#text, at + 1);
        if (at < 0) return -1;
      } else if (code === OPENING_BRACE || code === OPENING_BRACKET) depth++;
      else if ((code === CLOSING_BRACE || code === CLOSING_BRACKET) && --depth === 0) return at + 1;
    }
    return -1;
  }

  /** A value that ends at `end`, read as a whole. */
  #careful(end: number): string | undefined {
    if (end < 0 || end > this.#end) return undefined;
    try {
      const value = parseTrait(this.#text.slice(this.#at, end));
      checkTrait('', value, DEFAULT_TRAIT_LIMITS);
      this.#at = end;
      return formatTrait(value);
    } catch {
      return undefined;
    }
  }
}

function endOfString(text: string, from: number): number {
  for (let at = from; ; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at++;
    else if (!(code >= SPACE)) return -1;
  }
}

const UNUSUAL = /[\u0000-\u001f\\]/;
const WORDS = ['true', 'false', 'null'];

/** A digit, point, sign or exponent. */
function isOfNumber(code: number): boolean {
  return (
    (code >= ZERO && code <= NINE) || code === POINT || code === MINUS || code === PLUS || (code | 0x20) === LETTER_E
  );
}

const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const LETTER_E = 0x65;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
