import { readPythonInt } from '../../python/python-numbers.js';
import type { Order } from '../compare.js';

/** The integers of a dotted version; undefined where one of its parts is none. */
export function readDottedVersion(text: string): readonly bigint[] | undefined {
  const parts: bigint[] = [];
  for (const part of text.split('.')) {
    const integer = readPythonInt(part);
    if (integer === undefined) return undefined;
    parts.push(integer);
  }
  return parts;
}

/** Orders two versions part by part; the shorter one is padded with 0. */
export function compareDottedVersions(a: readonly bigint[], b: readonly bigint[]): Order {
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const [partA, partB] = [a[at] ?? 0n, b[at] ?? 0n];
    if (partA !== partB) return partA < partB ? -1 : 1;
  }
  return 0;
}
