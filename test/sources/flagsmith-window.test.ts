import { describe, expect, it } from 'vitest';
import { MAX_PAGE_BYTES } from '../../src/core/source.js';
import { afterFailures, firstWindow, nextWindow } from '../../src/sources/flagsmith/scan-window.js';

describe('the window of a scan', () => {
  it('grows while it finds nothing, up to a million ids', () => {
    let window = firstWindow(5_000);
    const widths = [window.ids];
    for (let n = 0; n < 5; n++) {
      window = nextWindow(window, { ids: window.ids, rows: 0, bytes: 0 }, 5_000);
      widths.push(window.ids);
    }
    expect(widths).toEqual([20_000, 80_000, 320_000, 1_000_000, 1_000_000, 1_000_000]);
  });

  it('follows how close together the rows of the environment are', () => {
    const first = firstWindow(5_000);
    expect(nextWindow(first, { ids: 20_000, rows: 500, bytes: 50_000 }, 5_000).ids).toBe(80_000);
    expect(nextWindow({ ids: 80_000, limit: 5_000 }, { ids: 5_000, rows: 5_000, bytes: 500_000 }, 5_000).ids).toBe(
      10_000,
    );
  });

  it('takes as many rows as are likely to fit the bytes of a page, and at least one', () => {
    const window = { ids: 20_000, limit: 5_000 };
    expect(nextWindow(window, { ids: 100, rows: 100, bytes: MAX_PAGE_BYTES }, 5_000).limit).toBe(100);
    expect(nextWindow(window, { ids: 1, rows: 1, bytes: 3 * MAX_PAGE_BYTES }, 5_000).limit).toBe(1);
  });

  it('is halved by each failure, and comes back step by step', () => {
    const smaller = afterFailures({ ids: 80_000, limit: 4_000 }, 4);
    expect(smaller).toEqual({ ids: 5_000, limit: 250 });
    expect(nextWindow(smaller, { ids: 250, rows: 250, bytes: 250 }, 5_000)).toEqual({ ids: 10_000, limit: 1_000 });
    expect(afterFailures(smaller, 30)).toEqual({ ids: 1, limit: 1 });
  });
});
