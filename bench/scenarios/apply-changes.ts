import { create, toBinary } from '@bufbuild/protobuf';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { parseTrait, joinTraits, splitTraits } from '../../src/core/trait-text.js';
import { IdentityChangeSchema } from '../../src/gen/rollcall/v1/identity_change_pb.js';
import { type Applier, type CommittedRevision, type EnvironmentChange } from '../../src/indexing/applier.js';
import { decodeProtobuf } from '../../src/indexing/wire/decode-protobuf.js';
import type { Database } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import { findIdentities, type StoredIdentity, type TraitsPatch } from '../../src/storage/identities.js';

export type Random = ReturnType<typeof xoroshiro128plus>;

/** The same changes as messages, as the rows they leave, as the traits that differ in them, and as these with identifiers. */
export interface Batch {
  /** In no order, as producers send them. */
  readonly messages: readonly Buffer[];
  readonly rows: readonly StoredIdentity[];
  readonly patches: readonly TraitsPatch[];
  readonly sets: readonly { readonly identifier: string; readonly traits: string }[];
}

/** The traits that an event sets, given what the identity has: each differs. */
export type NewTraits = (before: ReadonlyMap<string, string>, random: Random) => ReadonlyMap<string, string>;

/** Which identities a batch is about, and what comes to them. */
export interface Drawing {
  readonly environment: Environment;
  readonly ids: readonly number[];
  readonly newTraits: NewTraits;
}

/** One event for each of the identities, as they are now. */
export async function drawBatch(
  { sql }: Database,
  { environment, ids, newTraits }: Drawing,
  random: Random,
): Promise<Batch> {
  const messages: Buffer[] = [];
  const rows: StoredIdentity[] = [];
  const patches: TraitsPatch[] = [];
  const sets: { readonly identifier: string; readonly traits: string }[] = [];
  for (const { id, identifier, traits, version } of await findIdentities(sql, environment.id, {
    identifiers: [],
    ids,
  })) {
    const before = splitTraits(traits);
    const set = newTraits(before, random);
    messages.push(encode(environment.key, identifier, set));
    rows.push({ id, identifier, traits: joinTraits(new Map([...before, ...set])) });
    patches.push({ kind: 'traits', id, version, removed: [], set: joinTraits(set) });
    sets.push({ identifier, traits: joinTraits(set) });
  }
  return { messages: shuffled(messages, random), rows, patches, sets };
}

/** Decodes the messages and applies them as one batch. Throws where any of them changed nothing. */
export async function applyMessages(applier: Applier, messages: readonly Buffer[]): Promise<void> {
  const changes = messages.map((message, index): EnvironmentChange => ({ index, ...decodeProtobuf(message) }));
  const { unchanged } = await applier.apply(changes);
  if (unchanged > 0) throw new Error(`${unchanged} events changed nothing`);
}

/** How many bits a revision turned. */
export function countFlips({ flips }: CommittedRevision): number {
  let count = 0;
  for (const { set, cleared } of flips.atoms.values()) count += set.length + cleared.length;
  return count;
}

export function seeded(seed: number): Random {
  return xoroshiro128plus(seed);
}

/** `size` different numbers from 1 to `count`, uniformly; all of them where there are no more. */
export function drawDistinct(random: Random, size: number, count: number): number[] {
  const drawn = new Set<number>();
  while (drawn.size < Math.min(size, count)) drawn.add(uniformInt(random, 1, count));
  return [...drawn];
}

export function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = uniformInt(random, 0, last);
    const [a, b] = [order[last], order[other]];
    if (a === undefined || b === undefined) continue;
    order[last] = b;
    order[other] = a;
  }
  return order;
}

function encode(environmentKey: string, identifier: string, set: ReadonlyMap<string, string>): Buffer {
  const traits = Object.fromEntries([...set].map(([key, text]) => [key, { kind: kindOf(text) }]));
  const change = create(IdentityChangeSchema, {
    environmentKey,
    identifier,
    change: { case: 'setTraits', value: { traits } },
  });
  return Buffer.from(toBinary(IdentityChangeSchema, change));
}

function kindOf(text: string) {
  const value = parseTrait(text);
  switch (typeof value) {
    case 'string':
      return { case: 'stringValue' as const, value };
    case 'bigint':
      return { case: 'intValue' as const, value };
    case 'number':
      return { case: 'floatValue' as const, value };
    case 'boolean':
      return { case: 'boolValue' as const, value };
    default:
      throw new TypeError('no event sets such a trait');
  }
}
