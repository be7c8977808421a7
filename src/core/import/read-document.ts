import { parse } from 'lossless-json';
import type { TraitValue } from '../values.js';
import { type DocumentNode, invalidDocument } from './document-node.js';

/** Bytes of a document, unpacked. */
export const MAX_DOCUMENT_BYTES = 32 * 1024 * 1024;

/** Reads a document of JSON in UTF-8. Integers of any size are whole. Throws INVALID_DOCUMENT where it is not that, or too large. */
export function readDocument(bytes: Uint8Array): DocumentNode {
  if (bytes.length > MAX_DOCUMENT_BYTES) throw documentTooLarge(MAX_DOCUMENT_BYTES);
  return { value: parseJson(decode(bytes)), pointer: '' };
}

/** Why a document is not read. */
export function documentTooLarge(maxBytes: number): Error {
  return invalidDocument('', `is larger than ${maxBytes} bytes, unpacked`);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw invalidDocument('', 'is not UTF-8', error);
  }
}

function parseJson(text: string): TraitValue {
  try {
    const value: unknown = parse(text, null, { parseNumber, onDuplicateKey: ({ newValue }) => newValue });
    if (isJson(value)) return value;
  } catch (error) {
    if (error instanceof RangeError) throw invalidDocument('', 'is nested too deep, or has a number too large', error);
    throw invalidDocument('', `is not JSON: ${error instanceof Error ? error.message : 'it cannot be read'}`, error);
  }
  throw invalidDocument('', 'is not JSON');
}

function parseNumber(text: string): number | bigint {
  if (!/[.eE]/.test(text)) return BigInt(text);
  const value = Number(text);
  if (Number.isFinite(value)) return value;
  throw new RangeError('a number is too large');
}

/** The parser makes nothing but what JSON has. */
function isJson(value: unknown): value is TraitValue {
  return value === null || ['string', 'number', 'bigint', 'boolean', 'object'].includes(typeof value);
}
