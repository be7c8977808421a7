import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTrait, joinTraits } from '../../../src/core/trait-text.js';
import type { TraitValue } from '../../../src/core/values.js';
import { StreamMembersResponseSchema } from '../../../src/gen/rollcall/v1/membership_service_pb.js';
import type { Page } from '../../../src/query/member-pages.js';
import { encodePage, type MembersMessage } from '../../../src/server/messages/member-encoding.js';
import { traitMessagesOf } from '../../../src/server/messages/trait-messages.js';

const text = (maxLength: number) => fc.string({ unit: 'grapheme', minLength: 1, maxLength });
const identifiers = fc.oneof(
  { weight: 8, arbitrary: text(20) },
  { weight: 1, arbitrary: text(450) },
  { weight: 1, arbitrary: fc.integer({ min: 100, max: 140 }).map((length) => 'x'.repeat(length)) },
);
const ordinals = fc.oneof(
  fc.nat(300),
  fc.nat(),
  fc.integer({ min: 2 ** 31 - 2, max: 2 ** 31 + 2 }),
  fc.maxSafeNat(),
  fc.integer({ min: 0, max: 52 }).map((power) => 2 ** power),
);
const members = fc
  .uniqueArray(fc.record({ ordinal: ordinals, identifier: identifiers }), { selector: ({ ordinal }) => ordinal })
  .map((list) => list.sort((a, b) => a.ordinal - b.ordinal));
const values = fc.letrec<{ value: TraitValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: 'grapheme' }),
    text(200),
    fc.boolean(),
    fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }),
    fc.bigInt({ min: -200n, max: 200n }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: 'grapheme' }), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;
const traits = fc
  .dictionary(text(10), values, { maxKeys: 6, noNullPrototype: true })
  .map((all) => joinTraits(new Map(Object.entries(all).map(([key, value]) => [key, formatTrait(value)]))));

const fieldsAfter = (lastOrdinal: number): Uint8Array => encoded({ cursor: `after ${lastOrdinal}`, total: 7n });

function encoded(message: Parameters<typeof create<typeof StreamMembersResponseSchema>>[1]): Uint8Array {
  return toBinary(StreamMembersResponseSchema, create(StreamMembersResponseSchema, message));
}

/** The messages as the generated code makes them of what it is given. */
function generated(page: Page, messages: readonly MembersMessage[]): Buffer[] {
  let from = 0;
  const fields = fieldsOf(page);
  return messages.map(({ count, lastOrdinal }) => {
    const members = [...page.ordinals.subarray(from, (from += count))].map((ordinal, index) => ({
      id: BigInt(ordinal),
      ...fields[from - count + index],
    }));
    return Buffer.concat([encoded({ members }), fieldsAfter(lastOrdinal)]);
  });
}

function fieldsOf(page: Page) {
  switch (page.kind) {
    case 'packed':
      return page.bytes
        .toString()
        .split('\n')
        .slice(0, -1)
        .map((identifier) => ({ identifier }));
    case 'listed':
      return page.identifiers.map((identifier) => ({ identifier }));
    case 'traits':
      return page.identities.map(({ identifier, traits }) => ({ identifier, traits: traitMessagesOf(traits) }));
  }
}

function packed(list: readonly { ordinal: number; identifier: string }[]): Page {
  const bytes = Buffer.from(list.map(({ identifier }) => `${identifier}\n`).join(''));
  return { kind: 'packed', ordinals: Float64Array.from(list, ({ ordinal }) => ordinal), bytes };
}

function checkAgainstGenerated(page: Page): MembersMessage[] {
  const messages = [...encodePage(page, fieldsAfter)];
  const expected = generated(page, messages);
  for (const [index, { bytes }] of messages.entries())
    expect(Buffer.from(bytes).toString('hex')).toBe(expected[index]?.toString('hex'));
  expect(messages.reduce((sum, { count }) => sum + count, 0)).toBe(page.ordinals.length);
  expect(messages.at(-1)?.lastOrdinal).toBe(page.ordinals.at(-1));
  return messages;
}

describe('messages of members', () => {
  it('have the bytes of the generated code, whatever the ordinals and the identifiers', () => {
    fc.assert(
      fc.property(members, (list) => {
        checkAgainstGenerated(packed(list.filter(({ identifier }) => !identifier.includes('\n'))));
        const ordinals = Float64Array.from(list, ({ ordinal }) => ordinal);
        checkAgainstGenerated({ kind: 'listed', ordinals, identifiers: list.map(({ identifier }) => identifier) });
      }),
    );
  });

  it('have the traits that the generated code would send', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(members, traits), { maxLength: 1 }), (given) => {
        const identities = given.flatMap(([list, all]) =>
          list.map(({ ordinal, identifier }) => ({ id: ordinal, identifier, traits: all })),
        );
        const page: Page = { kind: 'traits', ordinals: Float64Array.from(identities, ({ id }) => id), identities };
        const messages = [...encodePage(page, fieldsAfter)];
        const decode = (bytes: Uint8Array) => fromBinary(StreamMembersResponseSchema, bytes);
        expect(messages.map(({ bytes }) => decode(bytes))).toEqual(generated(page, messages).map(decode));
      }),
    );
  });

  it.each([5, 17, 100, 130, 700, 1_800])('are of 16 to 64 KiB where identifiers have %d bytes', (size) => {
    const list = Array.from({ length: 10_000 }, (_, index) => ({
      ordinal: 5_000_000_000 + index * 3,
      identifier: String(index).padStart(size, 'i'),
    }));
    const sizes = checkAgainstGenerated(packed(list)).map(({ bytes }) => bytes.length);
    expect(sizes.length).toBeGreaterThan(1);
    expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThan(16 * 1024);
    expect(sizes.at(-1)).toBeGreaterThan(8 * 1024);
    expect(Math.max(...sizes)).toBeLessThan(64 * 1024);
  });
});
