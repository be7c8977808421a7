import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { agesOf, VisibilityWindow } from '../../../src/server/metrics/visibility-window.js';

const BATCH = { topic: 't', partition: 0, deadLetters: 0, bytes: 0, durationMs: 1 };
/** Within a bucket: they grow by a tenth. */
const TOLERANCE = 1.1;

describe('the window of the last minute', () => {
  it('tells percentiles that are right to a tenth', () => {
    const ages = fc.array(fc.double({ min: 1, max: 3_600_000, noNaN: true }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(ages, (drawn) => {
        const window = new VisibilityWindow();
        for (const ageMs of drawn) window.add([{ ageMs, messages: 1 }], 1_000_000);
        const sorted = drawn.toSorted((a, b) => a - b);
        const exact = (share: number): number => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
        const read = window.read(1_000_000);
        expect(read.messages).toBe(drawn.length);
        for (const [told, share] of [
          [read.p50Ms, 0.5],
          [read.p99Ms, 0.99],
        ] as const) {
          expect(told).toBeGreaterThanOrEqual(exact(share) * 0.999);
          expect(told).toBeLessThanOrEqual(exact(share) * TOLERANCE * 1.001);
        }
      }),
    );
  });

  it('weighs a batch by its messages, which lie evenly between the newest and the oldest', () => {
    const window = new VisibilityWindow();
    const ages = agesOf({ ...BATCH, messages: 10_000, newestAgeMs: 100, oldestAgeMs: 1_000 });
    expect(ages.reduce((sum, { messages }) => sum + messages, 0)).toBeCloseTo(10_000);
    window.add(ages, 0);
    window.add(agesOf({ ...BATCH, messages: 1, newestAgeMs: 60_000, oldestAgeMs: 60_000 }), 0);
    const { messages, p50Ms, p99Ms } = window.read(0);
    expect(messages).toBe(10_001);
    expect(p50Ms).toBeGreaterThan(400);
    expect(p50Ms).toBeLessThan(800);
    expect(p99Ms).toBeLessThan(1_200);
  });

  it('forgets what is older than a minute', () => {
    const window = new VisibilityWindow();
    window.add([{ ageMs: 5_000, messages: 3 }], 0);
    window.add([{ ageMs: 10, messages: 1 }], 55_000);
    expect(window.read(59_999).messages).toBe(4);
    expect(window.read(60_000).messages).toBe(1);
    expect(window.read(200_000)).toEqual({ messages: 0, p50Ms: 0, p99Ms: 0 });
    window.add([{ ageMs: 10, messages: 1 }], 200_000);
    expect(window.read(200_000).messages).toBe(1);
  });

  it('takes a message from the future as one of now', () => {
    expect(agesOf({ ...BATCH, messages: 1, newestAgeMs: -50, oldestAgeMs: -50 })).toEqual([{ ageMs: 0, messages: 1 }]);
  });
});
