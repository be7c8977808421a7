import { expect, it } from 'vitest';
import { compareVersions, readVersion } from '../../../src/core/conditions/semver.js';

const ASCENDING = [
  '0.9.10',
  '1.0.0-1',
  '1.0.0-2',
  '1.0.0-10',
  '1.0.0--',
  '1.0.0-alpha',
  '1.0.0-alpha.1',
  '1.0.0-alpha.beta',
  '1.0.0-rc.2',
  '1.0.0-rc.12345678901234567890',
  '1.0.0',
  '1.9.0',
  '1.10.0',
  '12345678901234567890.0.0',
];

it('orders versions by SemVer 2 precedence', () => {
  const versions = ASCENDING.map(readVersion).filter((version) => version !== undefined);
  expect(versions).toHaveLength(ASCENDING.length);
  for (const [i, a] of versions.entries()) {
    for (const [j, b] of versions.entries()) expect(Math.sign(compareVersions(a, b))).toBe(Math.sign(i - j));
  }
});

it('does not see build metadata', () => {
  const [a, b] = [readVersion('1.0.0+a'), readVersion('1.0.0+b.1')];
  expect(a !== undefined && b !== undefined && compareVersions(a, b)).toBe(0);
});

it.each([
  '',
  '1',
  '1.0',
  'v1.0.0',
  '01.0.0',
  '1.0.0-',
  '1.0.0-01',
  '1.0.0-a..b',
  '1.0.0+',
  ' 1.0.0',
  '1.0.0\n',
  '1.0.0.0',
  '١.0.0',
])('takes %j for no version', (text) => {
  expect(readVersion(text)).toBeUndefined();
});
