import { readJsonListTexts } from '../python/python-json.js';

/**
 * The texts that IN compares with: an operand that starts with `[` is a JSON list, each item by its Python text (1, 1.5,
 * True, None); one that is no JSON, and every other, is split at commas, nothing trimmed.
 */
export function readIn(operand: string): ReadonlySet<string> {
  const items = operand.startsWith('[') ? readJsonListTexts(operand) : undefined;
  return new Set(items ?? operand.split(','));
}
