import { compareText } from './compare.js';

const NUMBER = '(?:0|[1-9][0-9]{0,4299})';
const PRERELEASE = '(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)';
const BUILD = '[0-9a-zA-Z-]+';
const VERSION = new RegExp(
  `^(${NUMBER})\\.(${NUMBER})\\.(${NUMBER})` +
    `(?:-(${PRERELEASE}(?:\\.${PRERELEASE})*))?(?:\\+(${BUILD}(?:\\.${BUILD})*))?$`,
);
const DIGITS = /^[0-9]+$/;

/** A version by SemVer 2: its numbers as their digits, its pre-release identifiers ([] for a release), its build text. */
export interface Version {
  readonly numbers: readonly string[];
  readonly prerelease: readonly string[];
  readonly build: string | undefined;
}

/**
 * Reads a strict SemVer 2 version (three numbers, no `v`, no spaces); undefined where the text is none. The text read last is remembered: a property's conditions
 * come one after the other.
 */
export function readVersion(text: string): Version | undefined {
  if (text !== lastText) {
    lastVersion = parseVersion(text);
    lastText = text;
  }
  return lastVersion;
}

let lastText = '';
let lastVersion: Version | undefined;

function parseVersion(text: string): Version | undefined {
  const match = VERSION.exec(text);
  if (match === null) return undefined;
  const [, major = '', minor = '', patch = '', prerelease, build] = match;
  return { numbers: [major, minor, patch], prerelease: prerelease?.split('.') ?? [], build };
}

/** Negative, 0 or positive by SemVer 2 precedence, which does not see build metadata. */
export function compareVersions(a: Version, b: Version): number {
  const order = compareEach(a.numbers, b.numbers, compareDigits);
  if (order !== 0) return order;
  if (a.prerelease.length === 0 || b.prerelease.length === 0) return b.prerelease.length - a.prerelease.length;
  return compareEach(a.prerelease, b.prerelease, compareIdentifiers);
}

function compareEach(a: readonly string[], b: readonly string[], compare: (a: string, b: string) => number): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const order = compare(a[at] ?? '', b[at] ?? '');
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareIdentifiers(a: string, b: string): number {
  const isNumber = DIGITS.test(a);
  if (isNumber !== DIGITS.test(b)) return isNumber ? -1 : 1;
  return isNumber ? compareDigits(a, b) : compareText(a, b);
}

/** Compares numbers of any size by their digits: neither text has leading zeros. */
function compareDigits(a: string, b: string): number {
  return a.length - b.length || compareText(a, b);
}
