import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdentityChangeSchema } from '../../../src/gen/rollcall/v1/identity_change_pb.js';
import { ApplyChangesRequestSchema } from '../../../src/gen/rollcall/v1/ingest_service_pb.js';
import { sliceBatch } from '../../../src/indexing/wire/batch-slices.js';

const MAX = 5;

function batchOf(identifiers: readonly string[]): Buffer {
  const changes = identifiers.map((identifier) =>
    create(IdentityChangeSchema, { environmentKey: 'e', identifier, change: { case: 'delete', value: {} } }),
  );
  return Buffer.from(toBinary(ApplyChangesRequestSchema, create(ApplyChangesRequestSchema, { changes })));
}

describe('the slices of a batch', () => {
  it('are the bytes of its changes, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 300 }), { maxLength: MAX }), (identifiers) => {
        const slices = sliceBatch(batchOf(identifiers), MAX);
        expect(slices?.map((slice) => fromBinary(IdentityChangeSchema, slice).identifier)).toEqual(identifiers);
      }),
    );
  });

  it('are none of a batch of too many changes', () => {
    expect(sliceBatch(batchOf(Array(MAX).fill('x')), MAX)).toHaveLength(MAX);
    expect(sliceBatch(batchOf(Array(MAX + 1).fill('x')), MAX)).toBeUndefined();
  });

  it('are none where there is more than changes, or less than was announced', () => {
    const batch = batchOf(['a']);
    expect(sliceBatch(Buffer.concat([batch, Buffer.from([0x10, 0x01])]), MAX)).toBeUndefined();
    expect(sliceBatch(batch.subarray(0, -1), MAX)).toBeUndefined();
    expect(sliceBatch(Buffer.concat([batch, Buffer.from([0x0a])]), MAX)).toBeUndefined();
  });
});
