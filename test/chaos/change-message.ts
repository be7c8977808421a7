import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type IdentityChange, IdentityChangeSchema } from '../../src/gen/rollcall/v1/identity_change_pb.js';
import { INTENT_HEADER, type Intent, type OutgoingMessage } from './intent.js';
import type { Random } from './random.js';
import type { TraitSample } from './trait-samples.js';

/** A change without its traits. */
export interface ChangeDraft {
  readonly kind: 'upsert' | 'set_traits' | 'delete';
  readonly environment: string;
  readonly identifier: string;
  readonly id?: number;
}

type Traits = ReadonlyMap<string, TraitSample>;

const FAR_FUTURE_MS = Date.UTC(2099, 0, 1);
const HOUR_MS = 3_600_000;
/** Field 1000, a varint: of a later version of the message. */
const UNKNOWN_FIELD = Buffer.from([0xc0, 0x3e, 0x2a]);

/** A change that can be read, as protobuf or as one of the forms of JSON, by a producer whose clock is anywhere. */
export function changeMessage(random: Random, draft: ChangeDraft, traits: Traits): OutgoingMessage {
  const isJson = random.chance(0.3);
  return {
    key: `${draft.environment}:${draft.identifier}`,
    value: isJson ? toJson(random, draft, traits) : toProtobuf(random, draft, traits),
    headers: {
      [INTENT_HEADER]: JSON.stringify(intentOf(draft, traits)),
      ...(isJson && random.chance(0.5) ? { 'content-type': 'application/json; charset=utf-8' } : {}),
    },
    timestamp: String(drawTime(random)),
  };
}

function intentOf(draft: ChangeDraft, traits: Traits): Intent {
  const { kind, ...rest } = draft;
  if (kind === 'delete') return { kind, ...rest };
  return { kind, ...rest, traits: Object.fromEntries([...traits].map(([key, { stored }]) => [key, stored])) };
}

/** Producers' clocks differ; one is in the year 2099. */
export function drawTime(random: Random): number {
  if (random.chance(0.005)) return FAR_FUTURE_MS;
  return Date.now() + (random.chance(0.2) ? random.int(-24 * HOUR_MS, 24 * HOUR_MS) : 0);
}

function toProtobuf(random: Random, draft: ChangeDraft, traits: Traits): Buffer {
  const bytes = toBinary(IdentityChangeSchema, messageOf(random, draft, traits));
  return Buffer.concat(random.chance(0.1) ? [bytes, UNKNOWN_FIELD] : [bytes]);
}

/** The message of a change, whose traits may be such as the service refuses. */
export function messageOf(
  random: Random,
  { kind, environment, identifier, id }: ChangeDraft,
  traits: ReadonlyMap<string, Pick<TraitSample, 'message'>>,
): IdentityChange {
  const messages = Object.fromEntries([...traits].map(([key, { message }]) => [key, message]));
  return create(IdentityChangeSchema, {
    environmentKey: environment,
    identifier,
    ...(id === undefined ? {} : { identityId: BigInt(id) }),
    ...(random.chance(0.5) ? { occurredAt: timestampFromMs(drawTime(random)) } : {}),
    change:
      kind === 'delete'
        ? { case: 'delete', value: {} }
        : { case: kind === 'upsert' ? 'upsert' : 'setTraits', value: { traits: messages } },
  });
}

function toJson(random: Random, { kind, environment, identifier, id }: ChangeDraft, traits: Traits): Buffer {
  const isSnake = random.chance(0.5);
  const name = (snake: string, camel: string): string => JSON.stringify(isSnake ? snake : camel);
  const members = [...traits].map(([key, { json }]) => `${JSON.stringify(key)}:${json}`);
  const change = kind === 'delete' ? '{}' : `{"traits":{${members.join(',')}}}`;
  const fields = [
    `${name('environment_key', 'environmentKey')}:${JSON.stringify(environment)}`,
    `"identifier":${JSON.stringify(identifier)}`,
    ...(id === undefined ? [] : [`${name('identity_id', 'identityId')}:"${id}"`]),
    ...(random.chance(0.5)
      ? [`${name('occurred_at', 'occurredAt')}:"${new Date(drawTime(random)).toISOString()}"`]
      : []),
    ...(random.chance(0.2) ? ['"of_a_later_version":{"a":[1,2]}'] : []),
    `${kind === 'set_traits' ? name('set_traits', 'setTraits') : JSON.stringify(kind)}:${change}`,
  ];
  return Buffer.from(`{${fields.join(',')}}`);
}
