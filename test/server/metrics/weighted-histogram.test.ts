import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { metricsPage } from '../../../src/server/metrics/process-page.js';
import { WeightedHistogram } from '../../../src/server/metrics/weighted-histogram.js';

it('writes the same as the library does of values taken one by one', async () => {
  const values = fc.array(fc.tuple(fc.double({ min: 0, max: 100, noNaN: true }), fc.integer({ min: 1, max: 5 })));
  const details = { name: 'age_seconds', help: 'Ages', buckets: [0.1, 1, 10] };
  await fc.assert(
    fc.asyncProperty(values, async (drawn) => {
      const [weighted, one] = [new Registry(), new Registry()];
      const many = new WeightedHistogram({ ...details, registers: [weighted] });
      const single = new Histogram({ ...details, registers: [one] });
      for (const [value, count] of drawn) {
        many.observeMany(value, count);
        for (let time = 0; time < count; time++) single.observe(value);
      }
      const [ours, theirs] = await Promise.all([weighted.metrics(), one.metrics()]);
      const sum = /age_seconds_sum (.*)/;
      expect(Number(sum.exec(ours)?.[1])).toBeCloseTo(Number(sum.exec(theirs)?.[1]), 6);
      expect(ours.replace(sum, '')).toBe(theirs.replace(sum, ''));
      expect(await metricsPage(await weighted.getMetricsAsJSON())).toBe(ours);
    }),
    { numRuns: 50 },
  );
});
