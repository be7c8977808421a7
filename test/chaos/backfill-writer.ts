import { BACKFILL_PREFIX } from './backfill-identities.js';
import { messageOf } from './change-message.js';
import { ENVIRONMENTS, type EnvironmentKey, ordinalModeOf } from './environments.js';
import { TRAIT_KEYS } from './history.js';
import { type Loop, startLoop } from './loop.js';
import { createRandom } from './random.js';
import type { Service } from './service.js';
import { TRAIT_SAMPLES, type TraitSample } from './trait-samples.js';

const IDENTITIES = 60;
const PER_CALL = 5;
const CALL_TIMEOUT_MS = 5_000;
/** Ordinals of a source that no message of the topic brings. */
const FIRST_ID = 900_000;

/** Upserts identities of their own through ApplyChanges, as a backfill would, beside what comes through the topic. */
export class BackfillWriter {
  readonly loop: Loop;
  readonly #services: readonly Service[];
  readonly #random;
  /** What was acknowledged, by environment and identifier. */
  readonly #acknowledged = new Map<string, ReadonlyMap<string, string>>();
  readonly #doubtful = new Set<string>();

  constructor(services: readonly Service[], seed: number) {
    this.#services = services;
    this.#random = createRandom(seed, 100);
    this.loop = startLoop(200, () => this.#write());
  }

  /** The traits that each identity has; undefined where a call about it had no answer. */
  expected(environment: string): Map<string, ReadonlyMap<string, string>> {
    const own = [...this.#acknowledged].filter(
      ([key]) => key.startsWith(`${environment}:`) && !this.#doubtful.has(key),
    );
    return new Map(own.map(([key, traits]) => [key.slice(environment.length + 1), traits]));
  }

  async #write(): Promise<void> {
    const random = this.#random;
    const running = this.#services.filter(({ clients }) => clients !== undefined);
    if (running.length === 0) return;
    const environment = random.pick(ENVIRONMENTS).key;
    const drafts = Array.from({ length: PER_CALL }, () => ({
      number: random.int(0, IDENTITIES - 1),
      traits: new Map(TRAIT_KEYS.filter(() => random.chance(0.4)).map((key) => [key, random.pick(TRAIT_SAMPLES)])),
    })).filter(({ number }) => !this.#doubtful.has(keyOf(environment, number)));
    const { clients } = random.pick(running);
    const changes = drafts.map(({ number, traits }) => this.#change(environment, number, traits));
    try {
      await clients?.ingest.applyChanges([{ changes }], { timeoutMs: CALL_TIMEOUT_MS });
      for (const { number, traits } of drafts) this.#acknowledged.set(keyOf(environment, number), storedTraits(traits));
    } catch {
      // The call may still be applied, even after later ones: what it was about is not touched again.
      for (const { number } of drafts) this.#doubtful.add(keyOf(environment, number));
    }
  }

  #change(environment: EnvironmentKey, number: number, traits: ReadonlyMap<string, TraitSample>) {
    const id = ordinalModeOf(environment) === 'given' ? { id: FIRST_ID + number } : {};
    const draft = { kind: 'upsert', environment, identifier: `${BACKFILL_PREFIX}${number}`, ...id } as const;
    return messageOf(this.#random, draft, traits);
  }
}

function keyOf(environment: string, number: number): string {
  return `${environment}:${BACKFILL_PREFIX}${number}`;
}

function storedTraits(traits: ReadonlyMap<string, TraitSample>): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const [key, { stored }] of traits) if (stored !== null) texts.set(key, stored);
  return texts;
}
