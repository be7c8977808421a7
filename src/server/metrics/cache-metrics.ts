import { Counter, Gauge, type Registry } from 'prom-client';
import { SetCache } from '../../query/set-cache.js';

/** Counts how often the sets of a cache are used and put into it. */
class CountedSetCache extends SetCache {
  hits = 0;
  fills = 0;

  override touch(key: string): void {
    this.hits++;
    super.touch(key);
  }

  override put(key: string, bytes: number, evict: () => void): void {
    this.fills++;
    super.put(key, bytes, evict);
  }
}

/** What is measured of the caches of bitmaps. */
export interface CacheMetrics {
  /** A cache that is shown under this name. */
  readonly create: (name: string, maxBytes: number) => SetCache;
}

export function createCacheMetrics(registry: Registry): CacheMetrics {
  const caches = new Map<string, CountedSetCache>();
  const details = (name: string, help: string, valueOf: (cache: CountedSetCache) => number) => ({
    name,
    help,
    labelNames: ['cache'] as const,
    registers: [registry],
    collect(this: Gauge<'cache'> | Counter<'cache'>) {
      this.reset();
      for (const [cache, counted] of caches) this.inc({ cache }, valueOf(counted));
    },
  });
  new Gauge(details('rollcall_cache_bytes', 'Bytes of bitmaps in memory', ({ bytes }) => bytes));
  new Gauge(details('rollcall_cache_max_bytes', 'Bytes of bitmaps that there is room for', ({ maxBytes }) => maxBytes));
  new Counter(details('rollcall_cache_hits_total', 'Uses of bitmaps that were in memory', ({ hits }) => hits));
  new Counter(details('rollcall_cache_fills_total', 'Bitmaps loaded or composed', ({ fills }) => fills));
  return {
    create(name, maxBytes) {
      const cache = new CountedSetCache(maxBytes);
      caches.set(name, cache);
      return cache;
    },
  };
}
