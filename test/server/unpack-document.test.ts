import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { MAX_DOCUMENT_BYTES } from '../../src/core/import/read-document.js';
import { unpackDocument } from '../../src/server/unpack-document.js';

const refused = expect.objectContaining({ reason: 'INVALID_DOCUMENT', metadata: { pointer: '' } }) as Error;

it('unpacks gzip and leaves everything else as it is', () => {
  expect(Buffer.from(unpackDocument(gzipSync('[]'))).toString()).toBe('[]');
  expect(unpackDocument(Buffer.from('[]')).toString()).toBe('[]');
  expect(unpackDocument(Uint8Array.of()).length).toBe(0);
});

it('refuses gzip that was cut or damaged', () => {
  const whole = gzipSync('["a", "b"]');
  expect(() => unpackDocument(whole.subarray(0, whole.length - 5))).toThrow(refused);
  expect(() =>
    unpackDocument(Uint8Array.from(whole, (byte, at) => (at === whole.length - 6 ? byte ^ 1 : byte))),
  ).toThrow(refused);
});

it('refuses what unpacks to too much, without unpacking it', () => {
  const bomb = gzipSync(Buffer.alloc(8 * MAX_DOCUMENT_BYTES, ' '));
  expect(bomb.length).toBeLessThan(1_000_000);
  const before = process.memoryUsage.rss();
  expect(() => unpackDocument(bomb)).toThrow('larger than');
  expect(process.memoryUsage.rss() - before).toBeLessThan(3 * MAX_DOCUMENT_BYTES);
  expect(() => unpackDocument(gzipSync('"12345678"'), 9)).toThrow('larger than 9 bytes');
  expect(unpackDocument(gzipSync('"1234567"'), 9).length).toBe(9);
});
