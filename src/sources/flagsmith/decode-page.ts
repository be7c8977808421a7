import { MAX_IDENTIFIER_LENGTH, MAX_TRAITS_BYTES } from '../../core/changes.js';
import { checkTrait, DEFAULT_TRAIT_LIMITS } from '../../core/check-trait.js';
import { RollcallError } from '../../core/errors.js';
import type { SkippedRow, SourceIdentity } from '../../core/source.js';
import { formatTrait, joinTraits, parseTrait, splitTraits } from '../../core/trait-text.js';
import { IDENTITY_TABLE } from './identity-statements.js';
import { TraitKeys } from './trait-keys.js';

/** Identities of a page, and the rows that are none. */
export interface DecodedPage {
  readonly identities: SourceIdentity[];
  readonly skipped: SkippedRow[];
}

type Traits = Map<string, string>;

/**
 * Reads lines of identities: the id, the identifier as JSON, the system traits as jsonb writes them, and for each trait its key as JSON and its value, which is a JSON text but for floats (`~` and
 * the number) and unknown types (`?` and the type as JSON). Of a key that comes twice the last counts; a lone empty pair stands for more than an identity may have.
 */
export class PageDecoder {
  readonly #environmentKey: string;
  readonly #superseded: ReadonlySet<number>;
  readonly #keys = new TraitKeys();

  /** `superseded` are the ids of rows whose identifier another row has. */
  constructor(environmentKey: string, superseded: ReadonlySet<number>) {
    this.#environmentKey = environmentKey;
    this.#superseded = superseded;
  }

  decode(lines: string): DecodedPage {
    const page: DecodedPage = { identities: [], skipped: [] };
    for (const line of lines.split('\n')) this.#decodeLine(line.split('\t'), page);
    return page;
  }

  #decodeLine(fields: readonly string[], { identities, skipped }: DecodedPage): void {
    const [idText = '', identifierText = '', systemTraits = ''] = fields;
    const environmentKey = this.#environmentKey;
    const id = Number(idText);
    const identifier = readIdentifier(identifierText);
    try {
      this.#checkRow(id, identifier);
      const traits = this.#readTraits(fields);
      addSystemTraits(traits, systemTraits);
      checkSize(traits, fields);
      identities.push({ environmentKey, identifier, id, traits });
    } catch (error) {
      if (!(error instanceof RollcallError)) throw error;
      const { reason, message: explanation } = error;
      skipped.push({ where: `${IDENTITY_TABLE} ${idText}`, environmentKey, identifier, reason, explanation });
    }
  }

  #checkRow(id: number, identifier: string): void {
    if (!Number.isSafeInteger(id) || id < 1) throw refused('INVALID_IDENTIFIER', 'its id is no number from 1 on');
    if (identifier === '') throw refused('INVALID_IDENTIFIER', 'it has no identifier');
    if (identifier.length > MAX_IDENTIFIER_LENGTH && [...identifier].length > MAX_IDENTIFIER_LENGTH)
      throw refused('INVALID_IDENTIFIER', `its identifier has more than ${MAX_IDENTIFIER_LENGTH} characters`);
    if (this.#superseded.has(id)) throw refused('INVALID_IDENTIFIER', 'a later row has the same identifier');
  }

  #readTraits(fields: readonly string[]): Traits {
    const traits: Traits = new Map();
    for (let at = FIRST_TRAIT; at < fields.length; at += 2) {
      const value = fields[at + 1];
      if (value === undefined) throw tooManyTraits();
      const key = this.#keys.read(fields[at] ?? '');
      if (value === 'null') traits.delete(key);
      else traits.set(key, readValue(key, value));
    }
    return traits;
  }
}

const FIRST_TRAIT = 3;

/** Null and no identifier alike are ''. */
function readIdentifier(text: string): string {
  if (!text.startsWith('"')) return '';
  return text.includes('\\') ? String(JSON.parse(text)) : text.slice(1, -1);
}

/** The trait's text from that of its column. */
function readValue(key: string, value: string): string {
  switch (value.charCodeAt(0)) {
    case QUOTE:
      return checkedText(key, value);
    case FLOAT_MARK:
      return readFloat(key, value);
    case UNKNOWN_MARK:
      throw badTrait(key, `is of the unknown type ${value.slice(1)}`);
    default:
      if (value === 'true' || value === 'false') return value;
      if (INTEGER.test(value)) return checkedText(key, value);
      throw badTrait(key, 'is no integer');
  }
}

const QUOTE = 0x22;
const FLOAT_MARK = 0x7e;
const UNKNOWN_MARK = 0x3f;
const INTEGER = /^-?[0-9]+$/;

function readFloat(key: string, value: string): string {
  const float = Number(value.slice(1));
  if (!Number.isFinite(float)) throw badTrait(key, 'is not a finite number');
  return formatTrait(float);
}

/** A character takes three bytes at most, or four for two. */
function checkedText(key: string, text: string): string {
  const { maxValueBytes } = DEFAULT_TRAIT_LIMITS;
  if (text.length * 3 > maxValueBytes && Buffer.byteLength(text) > maxValueBytes)
    throw badTrait(key, `is larger than ${maxValueBytes} bytes`);
  return text;
}

/** They win over the others, also where they are null. */
function addSystemTraits(traits: Traits, text: string): void {
  if (text === '{}' || text === '' || text === 'null') return;
  for (const [key, valueText] of splitTraits(text)) {
    const value = parseTrait(valueText);
    checkTrait(key, value, DEFAULT_TRAIT_LIMITS);
    if (value === null) traits.delete(key);
    else traits.set(key, formatTrait(value));
  }
}

function checkSize(traits: Traits, fields: readonly string[]): void {
  let length = 0;
  for (const field of fields) length += field.length + SEPARATOR_LENGTH;
  if (length * 3 > MAX_TRAITS_BYTES && Buffer.byteLength(joinTraits(traits)) > MAX_TRAITS_BYTES) throw tooManyTraits();
}

const SEPARATOR_LENGTH = 2;

function tooManyTraits(): RollcallError {
  return refused('INVALID_TRAIT', `its traits take more than ${MAX_TRAITS_BYTES} bytes`);
}

function badTrait(key: string, problem: string): RollcallError {
  return refused('INVALID_TRAIT', `its trait ${JSON.stringify(key.slice(0, 64))} ${problem}`);
}

function refused(reason: 'INVALID_TRAIT' | 'INVALID_IDENTIFIER', explanation: string): RollcallError {
  return new RollcallError(reason, explanation);
}
