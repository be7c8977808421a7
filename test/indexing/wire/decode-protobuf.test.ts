import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TraitValue } from '../../../src/core/values.js';
import { IdentityChangeSchema } from '../../../src/gen/rollcall/v1/identity_change_pb.js';
import { checkEnvironmentKey, decodeChange, type KeyedChange } from '../../../src/indexing/decode.js';
import { decodeProtobuf } from '../../../src/indexing/wire/decode-protobuf.js';
import { traitMessage } from '../../../src/server/messages/trait-messages.js';
import { checkMessage } from '../../../src/server/transport/validation.js';
import { traitValues } from '../../helpers/trait-values.js';

/** What an RPC makes of the same bytes; undefined where it refuses them. */
function byGeneratedDecoder(bytes: Uint8Array): KeyedChange | undefined {
  try {
    const message = fromBinary(IdentityChangeSchema, bytes);
    checkMessage(IdentityChangeSchema, message);
    checkEnvironmentKey(message.environmentKey);
    return { environmentKey: message.environmentKey, change: decodeChange(message) };
  } catch {
    return undefined;
  }
}

function byHand(bytes: Uint8Array): KeyedChange | undefined {
  try {
    return decodeProtobuf(Buffer.from(bytes));
  } catch (error) {
    expect(error).toMatchObject({ name: 'RollcallError' });
    return undefined;
  }
}

/** Both decoders make the same of the bytes, or both refuse them. */
function agree(bytes: Uint8Array): void {
  expect(byHand(bytes)).toEqual(byGeneratedDecoder(bytes));
}

const texts = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', 'plan', '__proto__', '\uFEFFmarked', 'nul\0', 'quote"\\\n', 'é'.repeat(1_001)),
  fc.integer({ min: 0, max: 2_100 }).map((length) => 'x'.repeat(length)),
);
const scalars = fc.oneof(
  texts,
  fc.boolean(),
  fc.constant(null),
  fc.double(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(-0, 1e15, 1e21, 5e-324, 2n ** 53n, -1n),
);
const traits = fc.dictionary(texts, fc.oneof({ weight: 4, arbitrary: scalars }, traitValues), { maxKeys: 4 });

const messages = fc
  .record({
    environmentKey: texts,
    identifier: texts,
    identityId: fc.option(fc.oneof(fc.maxSafeNat().map(BigInt), fc.bigInt({ min: -5n, max: 2n ** 63n - 1n })), {
      nil: undefined,
    }),
    seconds: fc.option(fc.integer(), { nil: undefined }),
    kind: fc.constantFrom('upsert' as const, 'setTraits' as const, 'delete' as const, undefined),
    traits,
  })
  .map(encode);

interface Message {
  readonly environmentKey: string;
  readonly identifier: string;
  readonly identityId: bigint | undefined;
  readonly seconds: number | undefined;
  readonly kind: 'upsert' | 'setTraits' | 'delete' | undefined;
  readonly traits: Readonly<Record<string, TraitValue>>;
}

function encode(message: Message): Uint8Array {
  const { environmentKey, identifier, identityId, seconds, kind } = message;
  const values = Object.fromEntries(Object.entries(message.traits).map(([key, value]) => [key, traitMessage(value)]));
  return toBinary(
    IdentityChangeSchema,
    create(IdentityChangeSchema, {
      environmentKey: environmentKey.toWellFormed(),
      identifier: identifier.toWellFormed(),
      ...(identityId === undefined ? {} : { identityId }),
      ...(seconds === undefined ? {} : { occurredAt: { seconds: BigInt(seconds), nanos: 7 } }),
      change: changeOf(kind, values),
    }),
    { writeUnknownFields: true },
  );
}

function changeOf(
  kind: Message['kind'],
  values: Record<string, ReturnType<typeof traitMessage>>,
): NonNullable<MessageInitShape<typeof IdentityChangeSchema>['change']> {
  if (kind === undefined) return { case: undefined };
  if (kind === 'delete') return { case: kind, value: {} };
  return kind === 'upsert' ? { case: kind, value: { traits: values } } : { case: kind, value: { traits: values } };
}

/** Changes a few bytes: overwrites, takes out, puts in, repeats. */
const edits = fc.array(fc.tuple(fc.nat(), fc.constantFrom('set', 'cut', 'add', 'repeat'), fc.nat(255)), {
  minLength: 1,
  maxLength: 3,
});

function mutate(bytes: Uint8Array, changes: readonly (readonly [number, string, number])[]): Uint8Array {
  let list = [...bytes];
  for (const [place, how, byte] of changes) {
    const at = list.length === 0 ? 0 : place % list.length;
    if (how === 'set') list[at] = byte;
    if (how === 'cut') list.splice(at, 1 + (byte % 4));
    if (how === 'add') list.splice(at, 0, byte);
    if (how === 'repeat') list = [...list.slice(0, at), ...list.slice(at, at + byte), ...list.slice(at)];
  }
  return Uint8Array.from(list);
}

/** Bytes of wire form by hand: fields in any number and order, of any type. */
const wireFields: fc.Arbitrary<number[]> = fc.letrec<{ fields: number[] }>((tie) => ({
  fields: fc
    .array(
      fc.oneof(
        fc
          .tuple(fc.integer({ min: 1, max: 9 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
          .map(([no, value]) => [no << 3, ...varint(value)]),
        fc
          .tuple(fc.integer({ min: 1, max: 9 }), fc.uint8Array({ minLength: 8, maxLength: 8 }))
          .map(([no, data]) => [(no << 3) | 1, ...data]),
        fc
          .tuple(fc.integer({ min: 1, max: 9 }), fc.uint8Array({ minLength: 4, maxLength: 4 }))
          .map(([no, data]) => [(no << 3) | 5, ...data]),
        fc
          .tuple(fc.integer({ min: 1, max: 9 }), fc.constantFrom('e', 'id', 'plan', 'é', ''))
          .map(([no, text]) => delimited(no, [...Buffer.from(text)])),
        fc.tuple(fc.integer({ min: 1, max: 9 }), tie('fields')).map(([no, inner]) => delimited(no, inner)),
        fc
          .tuple(fc.integer({ min: 8, max: 20 }), tie('fields'))
          .map(([no, inner]) => [...varint(BigInt((no << 3) | 3)), ...inner, ...varint(BigInt((no << 3) | 4))]),
      ),
      { maxLength: 4 },
    )
    .map((fields) => fields.flat()),
})).fields;

function delimited(no: number, data: readonly number[]): number[] {
  return [(no << 3) | 2, ...varint(BigInt(data.length)), ...data];
}

function varint(value: bigint): number[] {
  return value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...varint(value >> 7n)];
}

const NAMED = [...delimited(1, [...Buffer.from('env')]), ...delimited(2, [...Buffer.from('ann')])];

describe('the decoder by hand', () => {
  it('reads every message as the generated decoder and the checks of an RPC do, or both refuse it', () => {
    fc.assert(fc.property(messages, agree), { numRuns: 3_000 });
  });

  it('reads bytes that were changed on the way as the generated decoder does, or both refuse them', () => {
    fc.assert(
      fc.property(messages, edits, (bytes, changes) => {
        agree(mutate(bytes, changes));
      }),
      { numRuns: 5_000 },
    );
  });

  it('merges states that come again, and takes the last of different ones, as the generated decoder does', () => {
    const entry = fc
      .tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(100))
      .map(([key, value]) => delimited(1, [...delimited(1, [...Buffer.from(key)]), ...delimited(2, [0x10, value])]));
    const state = fc
      .tuple(fc.constantFrom(5, 6), fc.array(entry, { maxLength: 2 }))
      .map(([no, of]) => delimited(no, of.flat()));
    fc.assert(
      fc.property(fc.array(state, { minLength: 1, maxLength: 3 }), (states) =>
        agree(Uint8Array.from([...NAMED, ...states.flat()])),
      ),
    );
  });

  it('merges fields that come again, skips unknown ones and groups, and gives missing keys and values their zeros', () => {
    let accepted = 0;
    fc.assert(
      fc.property(fc.array(wireFields, { minLength: 1, maxLength: 3 }), fc.constantFrom(5, 6, 7), (inner, no) => {
        const bytes = Uint8Array.from([...NAMED, ...inner.flatMap((fields) => delimited(no, delimited(1, fields)))]);
        const change = byHand(bytes);
        if (change !== undefined) accepted++;
        expect(change).toEqual(byGeneratedDecoder(bytes));
      }),
      { numRuns: 5_000 },
    );
    expect(accepted).toBeGreaterThan(500);
  });

  it('reads fields in any number, order and type as the generated decoder does, or both refuse them', () => {
    fc.assert(
      fc.property(wireFields, fc.boolean(), (fields, isNamed) => {
        agree(Uint8Array.from(isNamed ? [...NAMED, ...fields] : fields));
      }),
      { numRuns: 5_000 },
    );
  });

  it('refuses random bytes, or reads them as the generated decoder does', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), agree), {
      numRuns: 5_000,
    });
  });
});
