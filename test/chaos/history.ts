import { ENVIRONMENTS, ordinalModeOf } from './environments.js';
import type { OutgoingMessage } from './intent.js';
import { garbageMessage, tombstone } from './garbage.js';
import { changeMessage } from './change-message.js';
import type { Random } from './random.js';
import { NULL_SAMPLE, TRAIT_SAMPLES, type TraitSample } from './trait-samples.js';

export const TRAIT_KEYS = ['plan', 'age', 'tags', 'country', '$.identity.identifier', '50% off'];

/** Most of the changes go to these of each environment, so that a change applied late or twice is seen. */
const HOT_IDENTITIES = 12;
const IDENTITIES = 250;
const LONGEST_REPLAY = 150;
const REMEMBERED = 2_000;

/**
 * One producer's messages, without end: what it writes follows from its draws alone. Some are sent twice, some runs are sent again later, as a producer that starts
 * again from an earlier point does: their offsets are later, so they count as later.
 */
export function* history(random: Random): Generator<OutgoingMessage, never> {
  const sent: OutgoingMessage[] = [];
  for (;;) {
    const run = random.chance(0.002) && sent.length > 0 ? replay(random, sent) : [nextMessage(random)];
    if (random.chance(0.03)) run.push(...run.slice(-1));
    yield* run;
    sent.push(...run);
    if (sent.length > REMEMBERED) sent.splice(0, sent.length - REMEMBERED);
  }
}

function replay(random: Random, sent: readonly OutgoingMessage[]): OutgoingMessage[] {
  const from = random.int(0, sent.length - 1);
  return sent.slice(from, from + random.int(1, LONGEST_REPLAY));
}

function nextMessage(random: Random): OutgoingMessage {
  const environment = random.chance(0.01) ? 'nowhere' : random.pick(ENVIRONMENTS).key;
  const number = random.chance(0.6) ? random.int(0, HOT_IDENTITIES - 1) : random.int(0, IDENTITIES - 1);
  const identifier = identifierOf(number);
  if (random.chance(0.012)) return garbageMessage(random, environment, identifier);
  if (random.chance(0.02)) return tombstone(random, environment, identifier);
  const id = idOf(random, environment, number);
  const kind = random.chance(0.12) ? 'delete' : random.chance(0.4) ? 'upsert' : 'set_traits';
  const change = { kind, environment, identifier, ...(id === undefined ? {} : { id }) } as const;
  return changeMessage(random, change, kind === 'delete' ? new Map() : drawTraits(random, kind === 'set_traits'));
}

/** Some hold a colon, which also ends the environment in a key, or what SQL, JSON and LIKE have a use for. */
function identifierOf(number: number): string {
  if (number % 10 === 3) return `user:${number}:x`;
  if (number % 10 === 7) return `Zoë %_' "${number}"`;
  return `user-${number}`;
}

/** Ordinals of a source in several chunks and beyond 2^32; each identity has two, so that it comes back under another. Rarely none, or one where none is allowed. */
function idOf(random: Random, environment: string, number: number): number | undefined {
  const isGiven = ordinalModeOf(environment) === 'given';
  if (random.chance(isGiven ? 0.06 : 0.995)) return undefined;
  return (number % 3) * 2 ** 32 + number * 1_000 + (random.chance(0.15) ? 1 : 0);
}

function drawTraits(random: Random, areSome: boolean): Map<string, TraitSample> {
  const traits = new Map<string, TraitSample>();
  const count = random.int(areSome ? 1 : 0, 3);
  for (let drawn = 0; drawn < count; drawn++)
    traits.set(random.pick(TRAIT_KEYS), random.chance(0.2) ? NULL_SAMPLE : random.pick(TRAIT_SAMPLES));
  return traits;
}
