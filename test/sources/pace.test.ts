import { describe, expect, it } from 'vitest';
import { createPace } from '../../src/sources/pace.js';

const NEVER = new AbortController().signal;

describe('a pace', () => {
  it('gives nothing away before it is paid for, and holds the rate on average', async () => {
    const pace = createPace(1_000);
    const startedAt = performance.now();
    for (const amount of [100, 1, 49, 150]) await pace.take(amount, NEVER);
    const took = performance.now() - startedAt;
    expect(took).toBeGreaterThanOrEqual(299);
    expect(took).toBeLessThan(600);
  });

  it('is shared by those who take from it at once', async () => {
    const pace = createPace(1_000);
    const startedAt = performance.now();
    await Promise.all([pace.take(100, NEVER), pace.take(100, NEVER), pace.take(100, NEVER)]);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(299);
  });

  it('does not save up what was not taken', async () => {
    const pace = createPace(1_000);
    await pace.take(1, NEVER);
    await new Promise((resolve) => setTimeout(resolve, 150));
    const startedAt = performance.now();
    await pace.take(100, NEVER);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(99);
  });

  it('without a rate lets everything through', async () => {
    const pace = createPace(undefined);
    const startedAt = performance.now();
    await pace.take(1e9, NEVER);
    expect(performance.now() - startedAt).toBeLessThan(100);
  });

  it('ends a wait at once with the reason of the signal', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const wait = createPace(1).take(1e9, controller.signal);
    controller.abort(reason);
    await expect(wait).rejects.toBe(reason);
    await expect(createPace(undefined).take(1, controller.signal)).rejects.toBe(reason);
  });
});
