import type { CheckPlan } from './check-plan.js';
import { KeptValues } from './kept-values.js';
import type { ReaderCatalog } from './reader-catalog.js';
import type { SetCache } from './set-cache.js';

/** The share of the cache that one plan may take; a larger one is made again for each check (I12). */
const MAX_SHARE = 0.5;
const KEY = 'plan';

/** The plan of one environment's newest catalog, kept as long as there is room (I12). */
export class CheckPlans {
  readonly #kept: KeptValues<CheckPlan>;
  readonly #maxBytes: number;

  /** `scope` sets this plan apart in the cache. */
  constructor(cache: SetCache, scope: string) {
    this.#kept = new KeptValues(cache, scope);
    this.#maxBytes = cache.maxBytes * MAX_SHARE;
  }

  /** The plan that is kept for a catalog. */
  get(catalog: ReaderCatalog): CheckPlan | undefined {
    const plan = this.#kept.get(KEY);
    return plan?.catalog === catalog ? plan : undefined;
  }

  /** Keeps a plan, also one that has grown, in the place of the one before. */
  keep(plan: CheckPlan): void {
    const { bytes } = plan;
    if (bytes <= this.#maxBytes) this.#kept.put(KEY, plan, bytes);
    else this.clear();
  }

  clear(): void {
    this.#kept.clear();
  }
}
