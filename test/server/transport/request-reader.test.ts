import { create, fromBinary, toBinary, toJson } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CountRequestSchema, MembershipService } from '../../../src/gen/rollcall/v1/membership_service_pb.js';
import { createRequestReader } from '../../../src/server/transport/request-reader.js';

const { count } = MembershipService.method;

function requestOf(environment: string, segment: string): Uint8Array {
  const selector = { environment, target: { case: 'segment' as const, value: segment } };
  return toBinary(CountRequestSchema, create(CountRequestSchema, { selector }));
}

describe('a reader of requests', () => {
  it('gives what the bytes say, however often and in whichever order they come, also where their buffer is used again', () => {
    const key = fc.string({ minLength: 1, maxLength: 300, unit: 'grapheme' }).filter((text) => text.length <= 255);
    const asked = fc.array(fc.tuple(key, fc.constantFrom('a', 'b', 'ä')), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(asked, (requests) => {
        const read = createRequestReader(count);
        for (const [environment, segment] of [...requests, ...requests]) {
          const bytes = requestOf(environment, segment);
          const expected = toJson(CountRequestSchema, fromBinary(CountRequestSchema, bytes));
          const request = read(bytes);
          bytes.fill(0);
          expect(toJson(CountRequestSchema, request)).toEqual(expected);
          expect(toJson(CountRequestSchema, read(requestOf(environment, segment)))).toEqual(expected);
        }
      }),
    );
  });

  it('decodes a short request once', () => {
    const read = createRequestReader(count);
    expect(read(requestOf('default', 'a'))).toBe(read(requestOf('default', 'a')));
  });

  it.each([
    ['without an environment', requestOf('', 'a')],
    ['that is no message', Uint8Array.of(0x0a, 0xff)],
  ])('refuses a request %s each time', (_what, bytes) => {
    const read = createRequestReader(count);
    for (let time = 0; time < 3; time++)
      expect(() => read(bytes)).toThrow(expect.objectContaining({ reason: 'INVALID_REQUEST' }));
  });
});
