import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { percentageOf } from '../../src/core/conditions/percentage-split.js';

const Cases = z.object({ cases: z.array(z.object({ ids: z.array(z.string()), percentage: z.number() })).min(8) });

const { cases } = Cases.parse(JSON.parse(readFileSync(new URL('percentage-split.json', import.meta.url), 'utf8')));

it.each(cases)('places $ids where the reference engine does', ({ ids, percentage }) => {
  expect(percentageOf(ids)).toBe(percentage);
});

it('stays below 100 and leaves out no part of the range', () => {
  const tenths = new Set<number>();
  for (let i = 0; i < 2000; i += 1) {
    const percentage = percentageOf(['1', `user-${i}`]);
    expect(percentage).toBeGreaterThanOrEqual(0);
    expect(percentage).toBeLessThan(100);
    tenths.add(Math.floor(percentage / 10));
  }
  expect(tenths.size).toBe(10);
});
