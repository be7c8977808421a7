import { compareText, type Order } from '../compare.js';

/**
 * The numbers of a version as Mozhno reads it, as their digits: all but digits and dots is left out (`v1.2-rc3` is 1.23), a part without digits
 * is 0. Undefined for a text without any digit.
 */
export function readLooseVersion(text: string): readonly string[] | undefined {
  if (!/[0-9]/.test(text)) return undefined;
  return text
    .replaceAll(/[^0-9.]/g, '')
    .split('.')
    .map((part) => part.replace(/^0+/, ''));
}

/** Orders two versions number by number; the shorter one is padded with 0. */
export function compareLooseVersions(a: readonly string[], b: readonly string[]): Order {
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const [partA, partB] = [a[at] ?? '', b[at] ?? ''];
    if (partA !== partB) return partA.length - partB.length || compareText(partA, partB);
  }
  return 0;
}
