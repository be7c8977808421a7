import { RollcallError } from '../errors.js';

/** The flags of Python's `re` that bear on what matches. */
export interface PatternFlags {
  readonly ignoreCase: boolean;
  readonly multiLine: boolean;
  readonly dotAll: boolean;
  readonly verbose: boolean;
  readonly ascii: boolean;
}

/** A pattern that is being read, and what its later parts must know of the earlier ones. */
export interface PatternReader {
  /** Each a character, or a backslash and the character after it. */
  readonly tokens: readonly string[];
  at: number;
  flags: PatternFlags;
  /** Which of the flags a and u the whole pattern has set; Python takes only one of them. */
  charset: '' | 'a' | 'u';
  groups: number;
  readonly openGroups: Set<number>;
  readonly groupNumbers: Map<string, number>;
}

const NO_FLAGS: PatternFlags = { ignoreCase: false, multiLine: false, dotAll: false, verbose: false, ascii: false };

export function openPattern(pattern: string): PatternReader {
  return {
    tokens: tokensOf(pattern),
    at: 0,
    flags: NO_FLAGS,
    charset: '',
    groups: 0,
    openGroups: new Set(),
    groupNumbers: new Map(),
  };
}

function tokensOf(pattern: string): readonly string[] {
  const tokens: string[] = [];
  let escape = '';
  for (const character of pattern) {
    if (character === '\\' && escape === '') {
      escape = character;
    } else {
      tokens.push(escape + character);
      escape = '';
    }
  }
  if (escape !== '') throw refusal('INVALID_OPERAND', 'a backslash ends the pattern', tokens, tokens.length);
  return tokens;
}

/** The token that comes next, left in place; undefined at the end. */
export function peek(reader: PatternReader): string | undefined {
  return reader.tokens[reader.at];
}

export function take(reader: PatternReader): string | undefined {
  const token = reader.tokens[reader.at];
  if (token !== undefined) reader.at += 1;
  return token;
}

/** Takes the token if it comes next. */
export function accept(reader: PatternReader, token: string): boolean {
  if (peek(reader) !== token) return false;
  reader.at += 1;
  return true;
}

/** Takes tokens while the test holds, at most `limit`, and gives them joined. */
export function takeWhile(reader: PatternReader, test: RegExp, limit = Infinity): string {
  const start = reader.at;
  for (
    let token = peek(reader);
    token !== undefined && reader.at - start < limit && test.test(token);
    token = peek(reader)
  ) {
    reader.at += 1;
  }
  return reader.tokens.slice(start, reader.at).join('');
}

/** Throws INVALID_OPERAND: Python refuses the pattern. `at` is the index of the token that is to blame. */
export function invalid(reader: PatternReader, message: string, at: number): never {
  throw refusal('INVALID_OPERAND', message, reader.tokens, at);
}

/** Throws UNSUPPORTED_PATTERN: Python takes the pattern, matching in linear time cannot. */
export function unsupported(reader: PatternReader, message: string, at: number): never {
  throw refusal('UNSUPPORTED_PATTERN', message, reader.tokens, at);
}

function refusal(
  reason: 'INVALID_OPERAND' | 'UNSUPPORTED_PATTERN',
  message: string,
  tokens: readonly string[],
  at: number,
): RollcallError {
  const position = String(Array.from(tokens.slice(0, at).join('')).length);
  return new RollcallError(reason, `in the regular expression at character ${position}: ${message}`, {
    metadata: { position },
  });
}
