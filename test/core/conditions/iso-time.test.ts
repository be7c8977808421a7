import fc from 'fast-check';
import { expect, it, test } from 'vitest';
import { readTime } from '../../../src/core/conditions/times/read-time.js';

const isoOf = (text: string): string | undefined => {
  const instant = readTime(text)?.instant;
  return instant === undefined ? undefined : new Date(Number(instant / 1000n)).toISOString();
};

it.each([
  ['2024-05-01', '2024-05-01T00:00:00.000Z'],
  ['2024-5-1', '2024-05-01T00:00:00.000Z'],
  ['20240501', '2024-05-01T00:00:00.000Z'],
  ['2024-W18-3', '2024-05-01T00:00:00.000Z'],
  ['2024W183', '2024-05-01T00:00:00.000Z'],
  ['2024W18', '2024-04-29T00:00:00.000Z'],
  ['2020-W53-7', '2021-01-03T00:00:00.000Z'],
  ['2024-05-01 10:00:00', '2024-05-01T10:00:00.000Z'],
  ['2024-05-01T10:00', '2024-05-01T10:00:00.000Z'],
  ['2024-05-01T10', '2024-05-01T10:00:00.000Z'],
  ['20240501T100000Z', '2024-05-01T10:00:00.000Z'],
  ['2024-05-01T10:00:00.5', '2024-05-01T10:00:00.500Z'],
  ['2024-05-01T10:00:00,123456789', '2024-05-01T10:00:00.123Z'],
  ['2024-05-01T10:00:00+05:30', '2024-05-01T04:30:00.000Z'],
  ['2024-05-01T10:00:00-0530', '2024-05-01T15:30:00.000Z'],
  ['2024-05-01T10:00:00-05', '2024-05-01T15:00:00.000Z'],
  ['2024-05-01 10:00:00 +0530', '2024-05-01T04:30:00.000Z'],
  ['2024-05-01T10:00 Z', '2024-05-01T10:00:00.000Z'],
  ['2024-05-01T10:00:00.123456 +00', '2024-05-01T10:00:00.123Z'],
  ['0001-01-01', '0001-01-01T00:00:00.000Z'],
  ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
])('%s is %s', (text, expected) => {
  expect(isoOf(text)).toBe(expected);
});

it.each([
  '',
  '2024',
  '2024-05',
  '2024-02-30',
  '2023-02-29',
  '2024-13-01',
  '0000-01-01',
  '2019-W53-1',
  '2024-W00-1',
  '2024-05-01T24:00:00',
  '2024-05-01T10:60',
  '2024-05-01T10:00:60',
  '2024-05-01T10:00:00+24:00',
  '2024-05-01T10:00:00+5',
  '2024-05-01T',
  '01/05/2024',
  '1714557600',
  '2024-05-01T10:00:00 UTC',
  ' 2024-05-01',
  '2024-05-01T10:00:00  +00:00',
  '2024-05-01T10:00:00.5 +00:00',
  '2024-05-01T10:00:00++00:00',
  '2024-05-01T10:00:00 ',
])('%j is no time', (text) => {
  expect(readTime(text)).toBeUndefined();
});

test('a number is seconds since 1970, to the microsecond, in the years 1 to 9999', () => {
  expect(readTime(1704067200n)?.instant).toBe(1704067200_000000n);
  expect(readTime(-1.5)).toEqual({ instant: -1_500_000n, clock: 86_398_500_000 });
  expect(readTime(0.0000005)?.instant).toBe(0n);
  expect(readTime(true)?.instant).toBe(1_000_000n);
  expect(readTime(253402300800n)).toBeUndefined();
  expect(readTime(-62135596801n)).toBeUndefined();
  expect(readTime(1e300)).toBeUndefined();
  expect(readTime(null)).toBeUndefined();
});

test('what a date writes is read as that date, in every zone', () => {
  const dates = fc.date({
    min: new Date('0001-01-02T00:00:00Z'),
    max: new Date('9999-12-30T00:00:00Z'),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(dates, fc.integer({ min: -14 * 60, max: 14 * 60 }), (date, minutes) => {
      const local = new Date(date.getTime() + minutes * 60_000).toISOString().replace('Z', '');
      const sign = minutes < 0 ? '-' : '+';
      const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60].map((part) =>
        String(part).padStart(2, '0'),
      );
      const time = readTime(`${local}${sign}${hours ?? ''}:${rest ?? ''}`);
      expect(time?.instant).toBe(BigInt(date.getTime()) * 1000n);
      expect(time?.clock).toBe(
        Number(BigInt(Date.parse(`${local}Z`)) - BigInt(Date.parse(`${local.slice(0, 10)}T00:00:00Z`))) * 1000,
      );
    }),
  );
});
