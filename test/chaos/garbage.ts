import { toBinary } from '@bufbuild/protobuf';
import { IdentityChangeSchema } from '../../src/gen/rollcall/v1/identity_change_pb.js';
import { drawTime, messageOf } from './change-message.js';
import { INTENT_HEADER, type Intent, type OutgoingMessage } from './intent.js';
import type { Random } from './random.js';
import { REFUSED_SAMPLES } from './trait-samples.js';

/** A message that nobody can read, or may apply. Most have the key of an identity, which is in doubt from then on. */
export function garbageMessage(random: Random, environment: string, identifier: string): OutgoingMessage {
  const isKeyed = random.chance(0.8);
  const intent: Intent = { kind: 'garbage', ...(isKeyed ? { identity: { environment, identifier } } : {}) };
  return {
    key: isKeyed ? `${environment}:${identifier}` : random.pick(['', 'no colon', null]),
    value: random.pick(isKeyed ? [...NAMELESS, ...NAMING] : NAMELESS)(random, environment, identifier),
    headers: { [INTENT_HEADER]: JSON.stringify(intent) },
    timestamp: String(drawTime(random)),
  };
}

/** A message without a value deletes the identity that its key names; without such a key it says nothing. */
export function tombstone(random: Random, environment: string, identifier: string): OutgoingMessage {
  const isKeyed = random.chance(0.9);
  const intent: Intent = isKeyed ? { kind: 'delete', environment, identifier } : { kind: 'garbage' };
  return {
    key: isKeyed ? `${environment}:${identifier}` : 'no colon',
    value: null,
    headers: { [INTENT_HEADER]: JSON.stringify(intent) },
    timestamp: String(drawTime(random)),
  };
}

type Garbage = (random: Random, environment: string, identifier: string) => Buffer;

const upsertBytes: Garbage = (random, environment, identifier) =>
  Buffer.from(
    toBinary(IdentityChangeSchema, messageOf(random, { kind: 'upsert', environment, identifier }, new Map())),
  );

/** What names no identity. */
const NAMELESS: readonly Garbage[] = [
  // 0xff begins a field of wire type 7, which there is not.
  (random) => Buffer.concat([Buffer.from([0xff]), random.bytes(random.int(0, 40))]),
  () => Buffer.alloc(0),
  () => Buffer.from('{"environment_key": "alpha", '),
  () => Buffer.from('{"hello": "world"}'),
  (random, environment) => upsertBytes(random, environment, ''),
];

/** What names the identity of its key before it comes to what is wrong. */
const NAMING: readonly Garbage[] = [
  (random, environment, identifier) => upsertBytes(random, environment, identifier).subarray(0, -1),
  (_random, environment, identifier) => Buffer.from(JSON.stringify({ environment_key: environment, identifier })),
  (random, environment, identifier) => {
    const traits = new Map([['plan', random.pick(REFUSED_SAMPLES)]]);
    const message = messageOf(random, { kind: 'set_traits', environment, identifier }, traits);
    return Buffer.from(toBinary(IdentityChangeSchema, message));
  },
];
