import { setTimeout as delay } from 'node:timers/promises';
import { DeleteItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { IdentitySource, SourcePage } from '../../src/core/source.js';
import { openDynamoDbSource } from '../../src/sources/dynamodb/dynamodb-source.js';
import type { DynamoDbSourceOptions } from '../../src/sources/dynamodb/dynamodb-source.js';
import { createIdentityTable, edgeItem, putItems, REGION, startDynamoDb, TABLE } from '../helpers/dynamodb-server.js';
import { dynamoDbError, startDynamoDbProxy } from '../helpers/dynamodb-proxy.js';
import type { DynamoDbServer } from '../helpers/dynamodb-server.js';

const never = new AbortController().signal;
const SMALL_PAGES = { pageSize: 100 };

let server: DynamoDbServer;

beforeAll(async () => {
  server = await startDynamoDb();
});

afterAll(() => server.stop());

async function collect(source: IdentitySource, after?: string): Promise<SourcePage[]> {
  const pages: SourcePage[] = [];
  for await (const page of source.pages(after, never)) pages.push(page);
  return pages;
}

function identifiersOf(pages: readonly SourcePage[]): string[] {
  return pages.flatMap(({ identities }) => identities.map(({ identifier }) => identifier));
}

function namesOf(pages: readonly SourcePage[]): string[] {
  return pages.flatMap(({ identities }) =>
    identities.map(({ environmentKey, identifier }) => `${environmentKey}/${identifier}`),
  );
}

async function withSource<T>(options: DynamoDbSourceOptions, use: (source: IdentitySource) => Promise<T>): Promise<T> {
  const source = openDynamoDbSource({ endpoint: server.endpoint, region: REGION, ...options });
  try {
    return await use(source);
  } finally {
    await source.close();
  }
}

function numbered(environmentKey: string, count: number) {
  return Array.from({ length: count }, (_, index) =>
    edgeItem(environmentKey, `user-${index}`, { age: { N: String(index) }, text: { S: 'x'.repeat(200) } }),
  );
}

describe('The identities of one environment', () => {
  beforeAll(async () => {
    await createIdentityTable(server.client);
    const odd = ['\u0001', ' ', 'Zoë', 'zoë', '😀', '\uffee', 'x'.repeat(1_000), 'a_b', 'a/b', '~', "'", '"'];
    await putItems(server.client, [
      ...numbered('env', 3_000),
      ...numbered('other', 100),
      ...numbered('env_user', 10),
      ...odd.map((identifier) => edgeItem('odd', identifier)),
    ]);
  });

  test('come ordered by the bytes of their identifiers, and none of another environment', async () => {
    const pages = await withSource({ environmentKey: 'env', ...SMALL_PAGES }, collect);
    const expected = numbered('env', 3_000).map(({ identifier }) => identifier?.S ?? '');
    expect(pages.length).toBe(31);
    expect(identifiersOf(pages)).toEqual(expected.sort());
    expect(pages.flatMap(({ skipped }) => skipped)).toEqual([]);
    expect(pages.at(-1)?.position).toBe(3_000);
    expect(new Set(pages.flatMap(({ identities }) => identities.map((one) => one.environmentKey)))).toEqual(
      new Set(['env']),
    );
  });

  test('may have any text as their identifier', async () => {
    const identifiers = identifiersOf(await withSource({ environmentKey: 'odd', pageSize: 2 }, collect));
    expect(identifiers).toHaveLength(12);
    const sorted = identifiers.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(identifiers).toEqual(sorted);
  });

  test('come from behind any cursor, each that was not read yet exactly once', async () => {
    await withSource({ environmentKey: 'env', ...SMALL_PAGES }, async (source) => {
      const pages = await collect(source);
      const all = identifiersOf(pages);
      let read = 0;
      for (const { identities, cursor } of pages) {
        read += identities.length;
        expect(identifiersOf(await collect(source, cursor))).toEqual(all.slice(read));
      }
    });
  });

  test('of an environment without any are none, and its cursor is at the end', async () => {
    await withSource({ environmentKey: 'nobody' }, async (source) => {
      const pages = await collect(source);
      expect(identifiersOf(pages)).toEqual([]);
      expect(await collect(source, pages.at(-1)?.cursor)).toEqual([]);
    });
  });

  test('are at most what the index holds, which is nothing while it is new', async () => {
    const proxy = await startDynamoDbProxy(server.endpoint);
    const estimate = () =>
      withSource({ environmentKey: 'env', endpoint: proxy.endpoint }, (source) => source.estimate(never));
    expect(await estimate()).toBeUndefined();
    const index = { IndexName: 'environment_api_key-identifier-index', ItemCount: 3_110 };
    proxy.rule = () => ({ status: 200, body: { Table: { ItemCount: 4_000, GlobalSecondaryIndexes: [index] } } });
    expect(await estimate()).toEqual({ total: 3_110, unit: 'identities', isAtMost: true });
    proxy.rule = () => dynamoDbError('AccessDeniedException');
    expect(await estimate()).toBeUndefined();
    await proxy.close();
  });

  test('are allotted their ordinals', async () => {
    await withSource({ environmentKey: 'env' }, (source) => {
      expect(source.ordinalMode).toBe('allotted');
      expect(source.name).toBe(`DynamoDB table ${TABLE}, environment env`);
      return Promise.resolve();
    });
  });

  test.each([
    'nonsense',
    '{}',
    '{"runs":[],"itemsRead":0}',
    '{"environmentKey":"other","runs":["start"],"itemsRead":0}',
    '{"runs":["start"],"itemsRead":0}',
    '{"environmentKey":"env","runs":["start"],"itemsRead":-1}',
    '{"environmentKey":"env","runs":[{"composite_key":"x"}],"itemsRead":1}',
  ])('cannot be read from the cursor %s', async (cursor) => {
    const reading = withSource({ environmentKey: 'env' }, (source) => collect(source, cursor));
    await expect(reading).rejects.toMatchObject({ reason: 'INVALID_CURSOR' });
  });

  test('with two items each end as Edge itself finds them, wherever pages end and a cursor begins', async () => {
    const names = Array.from({ length: 8 }, (_, index) => `user-${index}`);
    const trait = (which: string) => ({ which: { S: which } });
    const others = names.map((name) =>
      edgeItem('twice', name, trait('other'), { composite_key: { S: `other_${name}` } }),
    );
    await putItems(server.client, [...names.map((name) => edgeItem('twice', name, trait('own'))), ...others]);
    const options = { environmentKey: 'twice', pageSize: 1 };
    const pages: SourcePage[] = [];
    for (let cursor: string | undefined; ; cursor = pages.at(-1)?.cursor) {
      const next: IteratorResult<SourcePage, unknown> = await withSource(options, (source) =>
        source.pages(cursor, never).next(),
      );
      if (next.done === true) break;
      pages.push(next.value);
    }
    const ended = new Map(
      pages.flatMap(({ identities }) => identities).map(({ identifier, traits }) => [identifier, traits.get('which')]),
    );
    expect(ended).toEqual(new Map(names.toSorted().map((name) => [name, '"own"'])));
  });

  test('that are written and deleted meanwhile lose none that stays', async () => {
    await putItems(server.client, numbered('moving', 2_000));
    const seen = new Map<string, number>();
    await withSource({ environmentKey: 'moving', ...SMALL_PAGES }, async (source) => {
      let round = 0;
      for await (const { identities } of source.pages(undefined, never)) {
        for (const { identifier } of identities) seen.set(identifier, (seen.get(identifier) ?? 0) + 1);
        // Also the very item that the cursor names.
        const last = identities.at(-1)?.identifier ?? '';
        const key = { composite_key: { S: `moving_${last}` } };
        await server.client.send(new DeleteItemCommand({ TableName: TABLE, Key: key }));
        await server.client.send(new PutItemCommand({ TableName: TABLE, Item: edgeItem('moving', `new-${round}`) }));
        await server.client.send(
          new PutItemCommand({ TableName: TABLE, Item: edgeItem('moving', `user-${++round}`, { age: { N: '-1' } }) }),
        );
      }
    });
    const missing = Array.from({ length: 2_000 }, (_, index) => `user-${index}`).filter((name) => !seen.has(name));
    expect(missing).toEqual([]);
    expect([...seen.values()].every((times) => times === 1)).toBe(true);
  });
});

describe('The identities of all environments', () => {
  const table = 'scanned';
  const environments = ['one', 'two', 'three'];
  const expected = environments.flatMap((key) => Array.from({ length: 700 }, (_, index) => `${key}/user-${index}`));

  beforeAll(async () => {
    await createIdentityTable(server.client, { name: table });
    await putItems(
      server.client,
      environments.flatMap((key) => numbered(key, 700)),
      table,
    );
  });

  test.each([1, 2, 4, 7])('come each once, with their environment, by %i segments', async (segments) => {
    const pages = await withSource({ tableName: table, segments, ...SMALL_PAGES }, collect);
    expect(namesOf(pages).sort()).toEqual(expected.toSorted());
    expect(pages.at(-1)?.position).toBe(expected.length);
  });

  test('are left out but for one where the table is scanned for that, from behind any cursor', async () => {
    const options = { tableName: table, environmentKey: 'two', isScanned: true, segments: 3, ...SMALL_PAGES };
    const pages = await withSource(options, collect);
    expect(namesOf(pages).sort()).toEqual(expected.filter((name) => name.startsWith('two/')).sort());
    expect(pages.flatMap(({ skipped }) => skipped)).toEqual([]);
    expect(pages.at(-1)?.position).toBe(expected.length);
    const half = Math.floor(pages.length / 2);
    const rest = await withSource(options, (source) => collect(source, pages[half - 1]?.cursor));
    expect(namesOf([...pages.slice(0, half), ...rest]).sort()).toEqual(namesOf(pages).sort());
    for (const other of [{ environmentKey: 'one' }, { isScanned: false }])
      await expect(
        withSource({ ...options, ...other }, (source) => collect(source, pages[half]?.cursor)),
      ).rejects.toMatchObject({ reason: 'INVALID_CURSOR' });
  });

  test('come in pages of all segments in turn, also where the consumer is slow', async () => {
    const pages: SourcePage[] = [];
    await withSource({ tableName: table, segments: 3, ...SMALL_PAGES }, async (source) => {
      for await (const page of source.pages(undefined, never)) {
        pages.push(page);
        await delay(20);
      }
    });
    const states = pages.map(({ cursor }) =>
      (JSON.parse(cursor) as { runs: unknown[] }).runs.map((run) => JSON.stringify(run)),
    );
    // Behind the first page, when pages of all three have arrived.
    const segments = states.slice(1, 7).map((runs, index) => runs.findIndex((run, at) => run !== states[index]?.[at]));
    expect(new Set(segments.slice(0, 3)).size).toBe(3);
    expect(segments.slice(3)).toEqual(segments.slice(0, 3));
  });

  test('come from behind any cursor, also where some segments are at their end, by as many segments as it began with', async () => {
    const pages = await withSource({ tableName: table, segments: 3, ...SMALL_PAGES }, collect);
    const all = namesOf(pages);
    expect(pages.filter(({ cursor }) => cursor.includes('"done"')).length).toBeGreaterThan(1);
    let read = 0;
    for (const { identities, cursor } of pages) {
      read += identities.length;
      const rest = await withSource({ tableName: table, segments: 5 }, (source) => collect(source, cursor));
      expect(namesOf(rest).sort()).toEqual(all.slice(read).sort());
    }
  });

  test('are counted beforehand by what the table says, which is nothing while it is new', async () => {
    const proxy = await startDynamoDbProxy(server.endpoint);
    const estimate = () =>
      withSource({ tableName: table, endpoint: proxy.endpoint }, (source) => source.estimate(never));
    expect(await estimate()).toBeUndefined();
    proxy.rule = () => ({ status: 200, body: { Table: { ItemCount: 2_100 } } });
    expect(await estimate()).toEqual({ total: 2_100, unit: 'identities' });
    proxy.rule = () => dynamoDbError('AccessDeniedException');
    expect(await estimate()).toBeUndefined();
    await proxy.close();
  });

  test('that are written and deleted meanwhile lose none that stays', async () => {
    const moving = 'moving';
    await createIdentityTable(server.client, { name: moving });
    await putItems(server.client, numbered('env', 2_000), moving);
    const seen = new Set<string>();
    const gone = new Set<string>();
    await withSource({ tableName: moving, ...SMALL_PAGES }, async (source) => {
      for await (const { identities } of source.pages(undefined, never)) {
        for (const { identifier } of identities) seen.add(identifier);
        const last = identities.at(-1)?.identifier ?? '';
        gone.add(last);
        const key = { composite_key: { S: `env_${last}` } };
        await server.client.send(new DeleteItemCommand({ TableName: moving, Key: key }));
        await putItems(server.client, [edgeItem('env', `new-${gone.size}`)], moving);
      }
    });
    expect(Array.from({ length: 2_000 }, (_, index) => `user-${index}`).filter((name) => !seen.has(name))).toEqual([]);
  });

  test('skip what is no identity, and say where it is', async () => {
    const broken = 'broken';
    await createIdentityTable(server.client, { name: broken });
    const { identifier: _i, ...nameless } = edgeItem('env', 'nameless');
    const { environment_api_key: _e, ...homeless } = edgeItem('env', 'homeless');
    await putItems(
      server.client,
      [nameless, homeless, edgeItem('env', 'odd', { a: { SS: ['x'] } }), edgeItem('env', 'fine', { a: { N: '1' } })],
      broken,
    );
    const pages = await withSource({ tableName: broken }, collect);
    expect(namesOf(pages)).toEqual(['env/fine']);
    const skipped = pages.flatMap((page) => page.skipped);
    expect(skipped.map(({ where, reason }) => `${where} ${reason}`).sort()).toEqual([
      'composite_key "env_homeless" INVALID_DOCUMENT',
      'composite_key "env_nameless" INVALID_IDENTIFIER',
      'composite_key "env_odd" INVALID_TRAIT',
    ]);
  });
});

describe('A table that is not as it should be', () => {
  test('is told by name where it is missing, whether queried, scanned or counted', async () => {
    const refusal = {
      reason: 'INVALID_DOCUMENT',
      message: `DynamoDB has no table absent in the region ${REGION} for these credentials`,
    };
    const options = { tableName: 'absent' };
    await expect(withSource({ ...options, environmentKey: 'env' }, collect)).rejects.toMatchObject(refusal);
    await expect(withSource(options, collect)).rejects.toMatchObject(refusal);
    await expect(withSource(options, (source) => source.estimate(never))).rejects.toMatchObject(refusal);
  });

  test('is refused where it has no index on the environment', async () => {
    await createIdentityTable(server.client, { name: 'without-index', hasIndex: false });
    await expect(withSource({ tableName: 'without-index', environmentKey: 'env' }, collect)).rejects.toMatchObject({
      reason: 'INVALID_DOCUMENT',
      message: 'the table without-index has no index environment_api_key-identifier-index',
    });
  });

  test('is refused where its index holds no traits', async () => {
    await createIdentityTable(server.client, { name: 'keys-only', projection: 'KEYS_ONLY' });
    await putItems(server.client, [edgeItem('env', 'ann', { a: { N: '1' } })], 'keys-only');
    await expect(withSource({ tableName: 'keys-only', environmentKey: 'env' }, collect)).rejects.toMatchObject({
      reason: 'INVALID_DOCUMENT',
      message: 'the index environment_api_key-identifier-index does not hold all attributes',
    });
  });
});
