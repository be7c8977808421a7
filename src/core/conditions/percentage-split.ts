import { hash } from 'node:crypto';

const BUCKETS = 9999;

/**
 * Where the ids fall, in percent: at least 0, below 100. Flagsmith's hash: the MD5 of the ids joined by commas, as one
 * number, modulo 9999; where that gives 100, the ids are hashed again, repeated once more each time.
 */
export function percentageOf(ids: readonly string[]): number {
  const text = ids.join(',');
  let remainder = md5Remainder(text);
  for (let hashed = text; remainder === BUCKETS - 1; remainder = md5Remainder(hashed)) hashed = `${hashed},${text}`;
  return (remainder / (BUCKETS - 1)) * 100;
}

/** Two bytes at a time, so that small integers suffice; `binary` is the fastest form of a digest. */
function md5Remainder(text: string): number {
  const digest = hash('md5', text, 'binary');
  let remainder = 0;
  for (let i = 0; i < digest.length; i += 2)
    remainder = ((remainder << 16) + (digest.charCodeAt(i) << 8) + digest.charCodeAt(i + 1)) % BUCKETS;
  return remainder;
}
