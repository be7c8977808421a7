import { toBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RollcallError } from '../../../src/core/errors.js';
import { RetryInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.js';
import { StatusSchema } from '../../../src/gen/google/rpc/status_pb.js';
import { ErrorReasonSchema } from '../../../src/gen/rollcall/v1/error_reason_pb.js';
import { isWorthLogging, STATUS_CODES, toStatus, toWireError } from '../../../src/server/transport/errors.js';

describe('the list of reasons', () => {
  it('is the same in the contract and in the code', () => {
    const documented = ErrorReasonSchema.values.map(({ name }) => name.replace('ERROR_REASON_', ''));
    expect(documented.sort()).toEqual([...Object.keys(STATUS_CODES), 'UNSPECIFIED'].sort());
  });
});

describe('an error for a caller', () => {
  it('has the code, the text, the reason and the metadata of a RollcallError', () => {
    const error = new RollcallError('ATOM_BUILDING', 'half built', { metadata: { progress: '0.5' } });
    expect(toWireError(error, 'r1')).toMatchObject({
      code: Code.FailedPrecondition,
      message: 'half built',
      info: { reason: 'ATOM_BUILDING', domain: 'rollcall.v1', metadata: { progress: '0.5' } },
      retry: undefined,
    });
  });

  it('says nothing of an unknown error, or of a cause, but the request id', () => {
    const unknown = toWireError(new Error('select 1 from secret'), 'r1');
    expect(unknown).toMatchObject({
      code: Code.Internal,
      message: 'internal error',
      info: { metadata: { requestId: 'r1' } },
    });
    const cause = new Error('password authentication failed');
    const known = toWireError(new RollcallError('DATABASE_UNAVAILABLE', 'the database is away', { cause }), 'r1');
    expect(JSON.stringify([unknown, known])).not.toMatch(/secret|password/);
  });

  it('names the time to wait where it is known', () => {
    const error = new RollcallError('TOO_MANY_BUILDS', 'wait', { metadata: { retryAfterMs: '1500' } });
    const { details } = toStatus(toWireError(error, 'r1'));
    const retry = details.map((detail) => anyUnpack(detail, RetryInfoSchema)).find((found) => found !== undefined);
    expect(retry?.retryDelay).toMatchObject({ seconds: 1n, nanos: 500_000_000 });
  });

  it('keeps the code of a standard service', () => {
    const wire = toWireError(new ConnectError('unknown service', Code.NotFound), 'r1');
    expect(wire).toEqual({ code: Code.NotFound, message: 'unknown service', info: undefined, retry: undefined });
  });

  it('fits into trailers and can be sent, whatever its texts', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 5_000 }),
      fc.string({ unit: 'grapheme', maxLength: 5_000 }),
    );
    const broken = text.map((some) => `${some}\ud800`);
    fc.assert(
      fc.property(broken, fc.dictionary(broken, broken, { maxKeys: 8 }), (message, metadata) => {
        const wire = toWireError(new RollcallError('INVALID_REQUEST', message, { metadata }), 'r1');
        expect(toBinary(StatusSchema, toStatus(wire)).length * (4 / 3) + encodeURI(wire.message).length).toBeLessThan(
          16_384,
        );
      }),
    );
  });

  it('is shortened visibly', () => {
    const wire = toWireError(
      new RollcallError('SEGMENT_CYCLE', 'x'.repeat(1_000), { metadata: { chain: 'y'.repeat(1_000) } }),
      '',
    );
    expect(wire.message).toMatch(/^x{299}…$/);
    expect(wire.info?.metadata['chain']).toMatch(/^y{599}…$/);
  });
});

describe('the log', () => {
  it('is told of what the caller is not', () => {
    const cause = new Error('connect ECONNREFUSED');
    expect(isWorthLogging(new Error('unknown'))).toBe(true);
    expect(isWorthLogging(new RollcallError('DATABASE_UNAVAILABLE', 'away', { cause }))).toBe(true);
    expect(isWorthLogging(new RollcallError('SEGMENT_NOT_FOUND', 'no such segment'))).toBe(false);
    expect(isWorthLogging(new ConnectError('unknown service', Code.NotFound))).toBe(false);
  });
});
