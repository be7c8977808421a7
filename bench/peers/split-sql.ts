import type { Question } from '../world/questions.js';
import { ENVIRONMENT } from '../world/world.js';

const BUCKETS = 9999;
/** One in 9,999^n identities is hashed more than n times. */
const HASHES = 4;

/** An SQL expression of the MD5 of a text as one number, modulo 9999. */
type Remainder = (text: string) => string;

export const POSTGRES_REMAINDER: Remainder = (text) => `mod(('0x' || md5(${text}))::numeric, ${BUCKETS})`;
/** In two halves, since DuckDB reads no hexadecimal text of 128 bits quickly. */
export const DUCKDB_REMAINDER: Remainder = (text) => {
  const half = (from: number): string => `('0x' || substr(md5(${text}), ${from}, 16))::ubigint % ${BUCKETS}`;
  return `((${half(1)} * ${2n ** 64n % BigInt(BUCKETS)} + ${half(17)}) % ${BUCKETS})`;
};

/** The condition of a question in SQL, with its percentage split: the share of the hash of segment key and `identity.key`, hashed again where it is the last bucket. */
export function withSplit(condition: string, { key, split }: Question, remainder: Remainder): string {
  if (split === undefined) return condition;
  const hashed = `'${key},${ENVIRONMENT}_' || identifier`;
  const last = Math.floor((split / 100) * (BUCKETS - 1));
  const shares = Array.from({ length: HASHES }, (_, index) => {
    const text = Array.from({ length: index + 1 }, () => hashed).join(` || ',' || `);
    return `nullif(${remainder(text)}, ${BUCKETS - 1}) <= ${last}`;
  });
  return `${condition} and coalesce(${shares.join(', ')}, false)`;
}
