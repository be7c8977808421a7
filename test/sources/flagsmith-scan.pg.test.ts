import fc from 'fast-check';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SourceIdentity } from '../../src/core/source.js';
import { formatTrait } from '../../src/core/trait-text.js';
import type { TraitValue } from '../../src/core/values.js';
import { collect, createFlagsmith, type Flagsmith, insertIdentities } from '../helpers/flagsmith.js';

const NEVER = new AbortController().signal;

let flagsmith: Flagsmith;
beforeAll(async () => {
  flagsmith = await createFlagsmith();
});
afterAll(() => flagsmith.drop());

const clear = () => flagsmith.sql`truncate environments_identity, environments_trait`;

interface TraitRow {
  readonly key: string;
  readonly type: string | null;
  readonly int: number | null;
  readonly text: string | null;
  readonly bool: boolean | null;
  readonly float: string | null;
}

interface IdentityRow {
  readonly id: number;
  readonly environment: number;
  readonly identifier: string;
  readonly system: Readonly<Record<string, TraitValue>>;
  readonly traits: readonly TraitRow[];
}

const texts = fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => text.replaceAll('\0', '\t').toWellFormed());
const keys = fc.oneof(fc.constantFrom('plan', 'age', '$.identity.traits.plan', '__proto__'), texts);
const orNull = <Value>(values: fc.Arbitrary<Value>) => fc.option(values, { freq: 4 });

const traitRows: fc.Arbitrary<TraitRow> = fc.record({
  key: keys,
  type: fc.constantFrom('int', 'unicode', 'bool', 'float', 'int', 'unicode', 'bool', 'float', null, '', 'list'),
  int: orNull(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
  text: orNull(texts),
  bool: orNull(fc.boolean()),
  float: orNull(
    fc.oneof(
      { weight: 20, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }).map(String) },
      { weight: 1, arbitrary: fc.constantFrom('NaN', 'Infinity') },
    ),
  ),
});

const identityRows = fc
  .uniqueArray(
    fc.record({
      id: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 2 ** 31 - 1 })),
      environment: fc.constantFrom(1, 1, 1, 2),
      system: fc.oneof(
        { weight: 3, arbitrary: fc.constant({}) },
        {
          weight: 1,
          arbitrary: fc.dictionary(keys, fc.oneof(texts, fc.boolean(), fc.bigInt(), fc.constant(null)), { maxKeys: 3 }),
        },
      ),
      traits: fc.uniqueArray(traitRows, { selector: ({ key }) => key, maxLength: 5 }),
    }),
    { selector: ({ id }) => id, maxLength: 30 },
  )
  .map((rows) => rows.map((row, n): IdentityRow => ({ ...row, identifier: `user "${n}"\t\\` })));

/** What Flagsmith would see of a row, in the words of its models; undefined where that cannot be taken. */
function oracle({ id, identifier, environment, system, traits }: IdentityRow): SourceIdentity | undefined {
  const values = new Map<string, TraitValue>();
  for (const { key, type, int, text, bool, float } of traits) {
    if (type === 'list') return undefined;
    if (type === 'int' && int !== null) values.set(key, BigInt(int));
    if (type === 'unicode' && text !== null) values.set(key, text);
    if (type === 'bool' && bool !== null) values.set(key, bool);
    if (type === 'float' && float !== null) values.set(key, Number(float));
  }
  if ([...values.values()].some((value) => typeof value === 'number' && !Number.isFinite(value))) return undefined;
  for (const [key, value] of Object.entries(system)) values.set(key, value);
  const taken = [...values].filter(([, value]) => value !== null).sort(([a], [b]) => (a < b ? -1 : 1));
  const traitTexts = new Map(taken.map(([key, value]) => [key, formatTrait(value)]));
  return { environmentKey: `env-${environment}`, identifier, id, traits: traitTexts };
}

function sorted(identity: SourceIdentity): SourceIdentity {
  return { ...identity, traits: new Map([...identity.traits].sort(([a], [b]) => (a < b ? -1 : 1))) };
}

async function insert(rows: readonly IdentityRow[]): Promise<void> {
  await clear();
  for (const { id, environment, identifier, system, traits } of rows) {
    await flagsmith.sql`insert into environments_identity (id, identifier, environment_id, system_traits)
      values (${id}, ${identifier}, ${environment}, ${formatTrait(system)}::text::jsonb)`;
    for (const { key, type, int, text, bool, float } of traits)
      await flagsmith.sql`insert into environments_trait
        (identity_id, trait_key, value_type, integer_value, string_value, boolean_value, float_value)
        values (${id}, ${key}, ${type}, ${int}, ${text}, ${bool}, ${float}::text::float8)`;
  }
}

describe('a scan', () => {
  it('gives exactly what Flagsmith sees, for any rows and pages of any size', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(identityRows, fc.integer({ min: 1, max: 12 }), async (rows, pageSize) => {
        await insert(rows);
        const mine = rows.filter(({ environment }) => environment === 1).sort((a, b) => a.id - b.id);
        const { identities, skipped } = await collect(flagsmith.source({ environmentId: 1, pageSize }));
        const expected = mine.map((row) => ({ row, identity: oracle(row) }));
        expect(identities.map(sorted)).toEqual(expected.flatMap(({ identity }) => identity ?? []));
        expect(skipped.map(({ identifier }) => identifier)).toEqual(
          expected.filter(({ identity }) => identity === undefined).map(({ row }) => row.identifier),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('gives each identity that is there throughout once while others come, change and go', async () => {
    await clear();
    await insertIdentities(flagsmith.sql, 1, 1001, 2000);
    const identities: SourceIdentity[] = [];
    let pages = 0;
    for await (const page of flagsmith.source({ environmentId: 1, pageSize: 50 }).pages(undefined, NEVER)) {
      identities.push(...page.identities);
      const n = ++pages;
      await flagsmith.transact(async (tx) => {
        await tx`delete from environments_trait where identity_id in (${2000 - n}, ${1000 + n * 49})`;
        await tx`delete from environments_identity where id in (${2000 - n}, ${1000 + n * 49})`;
        await insertIdentities(tx, 1, n, n);
        await insertIdentities(tx, 1, 3000 + n, 3000 + n);
        await tx`update environments_trait set string_value = 'changed' where identity_id % 20 = ${n}::int % 20 and trait_key = 'plan'`;
      });
    }
    const counts = new Map<number, number>();
    for (const { id = 0 } of identities) counts.set(id, (counts.get(id) ?? 0) + 1);
    expect(Math.max(...counts.values())).toBe(1);
    const throughout = await flagsmith.sql<
      { id: number }[]
    >`select id from environments_identity where id between 1001 and 2000`;
    expect(throughout.length).toBeGreaterThan(900);
    for (const { id } of throughout) expect(counts.get(id)).toBe(1);
    for (const { identifier, traits } of identities) {
      expect(['"plan 0"', '"plan 1"', '"plan 2"', '"changed"']).toContain(traits.get('plan'));
      expect(traits.size, identifier).toBe(4);
    }
  });

  it('holds no more memory at the end of 200,000 identities than near the start', { timeout: 120_000 }, async () => {
    await clear();
    await flagsmith.sql`insert into environments_identity (id, identifier, environment_id)
      select n, 'user-' || n || '@example.com', 1 from generate_series(1, 200000) n`;
    await flagsmith.sql`insert into environments_trait (trait_key, value_type, string_value, identity_id)
      select 'biography', 'unicode', repeat(md5(n::text), 4), n from generate_series(1, 200000) n`;
    await flagsmith.sql`analyze environments_identity, environments_trait`;
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const held: number[] = [];
    let count = 0;
    for await (const page of flagsmith.source({ environmentId: 1 }).pages(undefined, NEVER)) {
      count += page.identities.length;
      collectGarbage();
      const { heapUsed, external } = process.memoryUsage();
      held.push(heapUsed + external);
    }
    expect(count).toBe(200_000);
    const first = held.slice(2, 8);
    const last = held.slice(-6);
    expect(held.length).toBeGreaterThan(30);
    expect(Math.max(...last) - Math.max(...first)).toBeLessThan(4 * 1024 * 1024);
    expect(Math.max(...held) - Math.min(...held)).toBeLessThan(40 * 1024 * 1024);
  });
});
