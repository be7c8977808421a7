import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_PAGE_BYTES } from '../../src/core/source.js';
import { collect, createFlagsmith, type Flagsmith, insertIdentities } from '../helpers/flagsmith.js';

let flagsmith: Flagsmith;
beforeEach(async () => {
  flagsmith = await createFlagsmith();
});
afterEach(() => flagsmith.drop());

async function insertIdentity(id: number, identifier: string | null, systemTraits = '{}'): Promise<void> {
  await flagsmith.sql`insert into environments_identity (id, identifier, environment_id, system_traits)
    values (${id}, ${identifier}, 1, ${systemTraits}::text::jsonb)`;
}

type Column = 'integer_value' | 'string_value' | 'boolean_value' | 'float_value';

/** `value` is SQL. */
async function insertTrait(identityId: number, key: string, type: string | null, column: Column, value: string) {
  await flagsmith.sql.unsafe(
    `insert into environments_trait (identity_id, trait_key, value_type, ${column}) values ($1, $2, $3, ${value})`,
    [identityId, key, type],
  );
}

async function traitsOf(id: number): Promise<Record<string, string>> {
  const { identities, skipped } = await collect(flagsmith.source({ environmentId: 1 }));
  expect(skipped).toEqual([]);
  return Object.fromEntries(identities.find((identity) => identity.id === id)?.traits ?? []);
}

describe('traits', () => {
  beforeEach(() => insertIdentity(1, 'ann'));

  it('of every type come as their JSON text, floats with a point and without an exponent', async () => {
    await insertTrait(1, 'int', 'int', 'integer_value', '-2147483648');
    await insertTrait(1, 'text', 'unicode', 'string_value', `E'a "quoted"\\ttab\\nline \\\\ \\x01 é 😀 \\u2028'`);
    await insertTrait(1, 'empty', 'unicode', 'string_value', `''`);
    await insertTrait(1, 'yes', 'bool', 'boolean_value', 'true');
    await insertTrait(1, 'no', 'bool', 'boolean_value', 'false');
    await insertTrait(1, 'whole', 'float', 'float_value', '1.0');
    await insertTrait(1, 'large', 'float', 'float_value', '1e16');
    await insertTrait(1, 'small', 'float', 'float_value', '1.5e-7');
    await insertTrait(1, 'exact', 'float', 'float_value', '0.1::float8 + 0.2::float8');
    await insertTrait(1, 'zero', 'float', 'float_value', `'-0'`);
    expect(await traitsOf(1)).toEqual({
      int: '-2147483648',
      text: JSON.stringify('a "quoted"\ttab\nline \\ \x01 é 😀 \u2028'),
      empty: '""',
      yes: 'true',
      no: 'false',
      whole: '1.0',
      large: '10000000000000000.0',
      small: '0.00000015',
      exact: '0.30000000000000004',
      zero: '0.0',
    });
  });

  it('keep the type that the row names, whatever the other columns hold', async () => {
    await flagsmith.sql`insert into environments_trait (identity_id, trait_key, value_type, integer_value, string_value, float_value)
      values (1, 'text', 'unicode', 7, '7', 7), (1, 'float', 'float', 7, '7', 7)`;
    expect(await traitsOf(1)).toEqual({ text: '"7"', float: '7.0' });
  });

  it('that are null in the column of their type, or have no type, are not there, as in Flagsmith', async () => {
    await insertTrait(1, 'null', 'int', 'string_value', `'text'`);
    await insertTrait(1, 'untyped', null, 'string_value', `'text'`);
    await insertTrait(1, 'blank', '', 'string_value', `'text'`);
    expect(await traitsOf(1)).toEqual({});
  });

  it('may be integers beyond 64 bits where the column holds them', async () => {
    await flagsmith.sql`alter table environments_trait alter column integer_value type numeric`;
    await insertTrait(1, 'huge', 'int', 'integer_value', '123456789012345678901234567890');
    expect(await traitsOf(1)).toEqual({ huge: '123456789012345678901234567890' });
  });

  it('may have keys that look like a JSONPath or hold what separates them', async () => {
    const keys = ['$.identity.traits.x', 'a\tb\nc', '"quoted"\\', '~', '?', 'null', '__proto__'];
    for (const key of keys) await insertTrait(1, key, 'int', 'integer_value', '1');
    const { identities } = await collect(flagsmith.source({ environmentId: 1 }));
    expect([...(identities[0]?.traits ?? [])].sort()).toEqual(keys.map((key) => [key, '1']).sort());
  });

  it('that come twice count as they were written last', async () => {
    await flagsmith.sql`alter table environments_trait drop constraint environments_trait_trait_key_identity_id_uniq`;
    await insertTrait(1, 'plan', 'unicode', 'string_value', `'old'`);
    await insertTrait(1, 'plan', 'unicode', 'string_value', `'new'`);
    await insertTrait(1, 'gone', 'unicode', 'string_value', `'old'`);
    await insertTrait(1, 'gone', 'unicode', 'string_value', 'null');
    expect(await traitsOf(1)).toEqual({ plan: '"new"' });
  });

  it('of the system win over the others, also where they are null', async () => {
    await insertIdentity(
      2,
      'bob',
      '{"plan": "system", "gone": null, "list": [1, 1.50, {"a": true}], "n": 12345678901234567890}',
    );
    for (const key of ['plan', 'gone', 'kept']) await insertTrait(2, key, 'unicode', 'string_value', `'own'`);
    expect(await traitsOf(2)).toEqual({
      plan: '"system"',
      kept: '"own"',
      list: '[1, 1.5, {"a": true}]',
      n: '12345678901234567890',
    });
  });
});

describe('rows that cannot be taken', () => {
  it('are skipped with the reason, and the others come', async () => {
    await flagsmith.sql`alter table environments_identity alter column identifier drop not null`;
    await flagsmith.sql`alter table environments_identity alter column identifier type text`;
    await flagsmith.sql`alter table environments_trait alter column trait_key type text`;
    await flagsmith.sql`alter table environments_trait alter column string_value type text`;
    await insertIdentity(1, '');
    await insertIdentity(2, null);
    await insertIdentity(3, 'x'.repeat(2001));
    await insertIdentity(4, '😀'.repeat(2000));
    for (const [id, value] of [
      [5, 'NaN'],
      [6, 'Infinity'],
      [7, '-Infinity'],
    ] as const) {
      await insertIdentity(id, `float-${id}`);
      await insertTrait(id, 'rate', 'float', 'float_value', `'${value}'`);
    }
    await insertIdentity(8, 'unknown type');
    await insertTrait(8, 'when', 'datetime', 'string_value', `'2020-01-01'`);
    await insertIdentity(9, 'list as system traits', '[1]');
    await insertIdentity(10, 'long key');
    await insertTrait(10, 'k'.repeat(513), 'int', 'integer_value', '1');
    await insertIdentity(11, 'long value');
    await insertTrait(11, 'text', 'unicode', 'string_value', `repeat('x', 65536)`);
    await insertIdentity(12, 'too much');
    for (let n = 0; n < 20; n++) await insertTrait(12, `text-${n}`, 'unicode', 'string_value', `repeat('x', 60000)`);
    await insertIdentity(13, 'fine');
    const { identities, skipped } = await collect(flagsmith.source({ environmentId: 1 }));
    expect(identities.map(({ id }) => id)).toEqual([4, 13]);
    expect(skipped.map(({ where, reason, identifier }) => [where, reason, identifier.slice(0, 30)])).toEqual([
      ['environments_identity 1', 'INVALID_IDENTIFIER', ''],
      ['environments_identity 2', 'INVALID_IDENTIFIER', ''],
      ['environments_identity 3', 'INVALID_IDENTIFIER', 'x'.repeat(30)],
      ['environments_identity 5', 'INVALID_TRAIT', 'float-5'],
      ['environments_identity 6', 'INVALID_TRAIT', 'float-6'],
      ['environments_identity 7', 'INVALID_TRAIT', 'float-7'],
      ['environments_identity 8', 'INVALID_TRAIT', 'unknown type'],
      ['environments_identity 9', 'INVALID_TRAIT', 'list as system traits'],
      ['environments_identity 10', 'INVALID_TRAIT', 'long key'],
      ['environments_identity 11', 'INVALID_TRAIT', 'long value'],
      ['environments_identity 12', 'INVALID_TRAIT', 'too much'],
    ]);
    expect(skipped.find(({ identifier }) => identifier === 'unknown type')?.explanation).toBe(
      'its trait "when" is of the unknown type "datetime"',
    );
  });

  it('are all but the last of an identifier, where the database lets it come twice', async () => {
    await flagsmith.sql`alter table environments_identity drop constraint environments_identity_environment_id_identifier_uniq`;
    for (const [id, identifier] of [
      [1, 'ann'],
      [2, 'bob'],
      [3, 'ann'],
      [9, 'ann'],
    ] as const)
      await insertIdentity(id, identifier);
    await flagsmith.sql`insert into environments_identity (id, identifier, environment_id) values (20, 'bob', 2)`;
    const { identities, skipped } = await collect(flagsmith.source({ environmentId: 1, pageSize: 1 }));
    expect(identities.map(({ id, identifier }) => [id, identifier])).toEqual([
      [2, 'bob'],
      [9, 'ann'],
    ]);
    expect(skipped.map(({ where, identifier }) => [where, identifier])).toEqual([
      ['environments_identity 1', 'ann'],
      ['environments_identity 3', 'ann'],
    ]);
  });
});

describe('pages', () => {
  it('hold only the environment asked for, by id, whatever the others have in between', async () => {
    for (const environmentId of [1, 2])
      await flagsmith.sql`insert into environments_identity (id, identifier, environment_id)
        select n, 'user-' || n, ${environmentId}::int from generate_series(${environmentId}::int, 3000, 3) n`;
    const { identities } = await collect(flagsmith.source({ environmentId: 2, pageSize: 100 }));
    expect(identities.map(({ id }) => id)).toEqual(Array.from({ length: 1000 }, (_, n) => 2 + 3 * n));
    expect(new Set(identities.map(({ environmentKey }) => environmentKey))).toEqual(new Set(['env-2']));
  });

  it('go over wide gaps between ids, up to the largest', async () => {
    const ids = [1, 2, 50_000, 5_000_000, 5_000_001, 1_999_999_999, 2_147_483_647];
    for (const id of ids) await insertIdentity(id, `user-${id}`);
    const { identities } = await collect(flagsmith.source({ environmentId: 1 }));
    expect(identities.map(({ id }) => id)).toEqual(ids);
  });

  it('resume from every cursor with what comes after it, and tell how far they are', async () => {
    await insertIdentities(flagsmith.sql, 1, 1, 47);
    const source = flagsmith.source({ environmentId: 1, pageSize: 5 });
    expect(await source.estimate(new AbortController().signal)).toEqual({ total: 47, unit: 'identities' });
    const whole = await collect(source);
    expect(whole.positions).toEqual([5, 10, 15, 20, 25, 30, 35, 40, 45, 47]);
    for (const [page, cursor] of whole.cursors.entries()) {
      const rest = await collect(source, cursor);
      expect(rest.identities).toEqual(whole.identities.slice((page + 1) * 5));
      expect(rest.positions.at(-1) ?? 47).toBe(47);
    }
  });

  it('are bounded in bytes, however large the traits of some identities are', async () => {
    await insertIdentities(flagsmith.sql, 1, 1, 40);
    await flagsmith.sql`insert into environments_trait (trait_key, value_type, string_value, identity_id)
      select 'bulk-' || k, 'unicode', repeat('é', 2000), n from generate_series(1, 40) n, generate_series(1, 100) k`;
    const sizes: number[] = [];
    const ids: number[] = [];
    for await (const page of flagsmith.source({ environmentId: 1 }).pages(undefined, new AbortController().signal)) {
      ids.push(...page.identities.map(({ id = 0 }) => id));
      sizes.push(Buffer.byteLength(page.identities.flatMap(({ traits }) => [...traits.values()]).join('')));
    }
    expect(ids).toEqual(Array.from({ length: 40 }, (_, n) => n + 1));
    expect(sizes.length).toBeGreaterThan(3);
    expect(Math.max(...sizes)).toBeLessThan(MAX_PAGE_BYTES + 500_000);
  });

  it('come from a schema without system traits', async () => {
    await flagsmith.sql`alter table environments_identity drop column system_traits`;
    await insertIdentities(flagsmith.sql, 1, 1, 3);
    const { identities } = await collect(flagsmith.source({ environmentId: 1 }));
    expect(identities.map(({ identifier }) => identifier)).toEqual(['user-1', 'user-2', 'user-3']);
    expect(Object.fromEntries(identities[2]?.traits ?? [])).toEqual({
      age: '3',
      plan: '"plan 0"',
      paid: 'false',
      score: '1.5',
    });
  });

  it('keep to the rate, on average', async () => {
    await insertIdentities(flagsmith.sql, 1, 1, 300);
    const startedAt = performance.now();
    const { identities } = await collect(flagsmith.source({ environmentId: 1, rowsPerSecond: 200 }));
    expect(identities).toHaveLength(300);
    expect(performance.now() - startedAt).toBeGreaterThan(1_450);
  });

  it('are none of a cursor that is not theirs', async () => {
    for (const cursor of ['', '{}', '{"after":-1,"read":0}', '{"after":"1","read":0}', 'null', '[]'])
      await expect(collect(flagsmith.source({ environmentId: 1 }), cursor)).rejects.toMatchObject({
        reason: 'INVALID_CURSOR',
      });
  });

  it('are refused where there is no such environment, so that it is not taken for an empty one', async () => {
    await flagsmith.sql`update environments_environment set deleted_at = now() where id = 3`;
    for (const environmentId of [3, 4])
      await expect(collect(flagsmith.source({ environmentId }))).rejects.toMatchObject({ reason: 'INVALID_DOCUMENT' });
    expect(await collect(flagsmith.source({ environmentId: 2 }))).toMatchObject({ identities: [] });
  });
});
