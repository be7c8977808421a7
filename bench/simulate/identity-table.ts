import type { Figure } from '../report/figures.js';
import { formatCount } from '../report/format-value.js';
import type { World } from '../world/world.js';

const MEASURED = 'simulate: identity table, measured in this world';
const MULTIPLIED = 'simulate: identity table, multiplied';
const GIB = 2 ** 30;

interface IndexSize {
  readonly name: string;
  readonly bytes: number;
}

/** Bytes of an identity's row and of each index in the world at hand, and that times so many identities. */
export async function identityTable(world: World, identities: readonly number[]): Promise<Figure[]> {
  const { sql } = world.database;
  const [table] = await sql<{ bytes: number }[]>`select pg_table_size('identity')::float8 as bytes`;
  const indexes = await sql<IndexSize[]>`
    select indexrelid::regclass::text as name, pg_relation_size(indexrelid)::float8 as bytes
    from pg_index where indrelid = 'identity'::regclass order by 1`;
  const sizes = [
    { name: 'row', bytes: table?.bytes ?? NaN },
    ...indexes.filter(({ bytes }) => bytes > world.identities),
  ];
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0) / world.identities;
  return [
    ...sizes.map(({ name, bytes }) => ({
      scenario: MEASURED,
      what: `an identity: ${name}`,
      value: bytes / world.identities,
      unit: 'B',
    })),
    { scenario: MEASURED, what: 'an identity, altogether', value: total, unit: 'B' },
    ...identities.map((count) => ({
      scenario: MULTIPLIED,
      what: `${formatCount(count)}: table and indexes`,
      value: (total * count) / GIB,
      unit: 'GiB',
    })),
  ];
}
