import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDynamoDbSource } from '../../src/sources/dynamodb/dynamodb-source.js';
import { startDynamoDbProxy } from '../helpers/dynamodb-proxy.js';
import { createIdentityTable, edgeItem, putItems, REGION, startDynamoDb } from '../helpers/dynamodb-server.js';
import type { DynamoDbServer } from '../helpers/dynamodb-server.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const never = new AbortController().signal;
const ITEMS = 20_000;

let server: DynamoDbServer;

beforeAll(async () => {
  server = await startDynamoDb();
  await createIdentityTable(server.client);
  const items = Array.from({ length: ITEMS }, (_, index) =>
    edgeItem('env', `user-${index}`, { age: { N: String(index % 90) }, plan: { S: `plan ${index % 7}` } }),
  );
  await putItems(server.client, items);
});

afterAll(() => server.stop());

/** Bytes of the heap and outside of it that are still referred to. */
function heldBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe('A reading', () => {
  test.each([
    ['query', { environmentKey: 'env' }],
    ['scan', {}],
  ])('of 200,000 items by %s takes no more memory at its end than at its beginning', async (_, options) => {
    const source = openDynamoDbSource({ endpoint: server.endpoint, region: REGION, pageSize: 1_000, ...options });
    const held: number[] = [];
    let read = 0;
    for (let round = 0; round < 10; round++) {
      for await (const { identities } of source.pages(undefined, never)) {
        read += identities.length;
        if (read % 10_000 < identities.length) held.push(heldBytes());
      }
    }
    await source.close();
    expect(read).toBe(10 * ITEMS);
    const early = Math.max(...held.slice(2, 8));
    expect(Math.max(...held.slice(8)) - early).toBeLessThan(4 * 1024 * 1024);
  });

  test.each([
    ['query', { environmentKey: 'env' }, 1],
    ['scan', { segments: 2 }, 2],
  ])('by %s keeps to its units a second, from its beginning on', async (_, options, readers) => {
    const unitsPerSecond = 80;
    const proxy = await startDynamoDbProxy(server.endpoint);
    const source = openDynamoDbSource({ endpoint: proxy.endpoint, region: REGION, unitsPerSecond, ...options });
    const stop = new AbortController();
    const began = performance.now();
    setTimeout(() => stop.abort(), 4_000);
    const reading = async (): Promise<void> => {
      for await (const { identities } of source.pages(undefined, stop.signal)) expect(identities).not.toEqual([]);
    };
    await expect(reading()).rejects.toThrow();
    await source.close();
    await proxy.close();
    const pages = proxy.spent.filter(({ units }) => units > 0);
    let spent = 0;
    for (const { at, units } of pages) {
      // What was read before this page is paid for by now, but for the other reader's page.
      const unpaid = readers === 1 ? 0 : unitsPerSecond;
      expect(spent).toBeLessThanOrEqual(((at - began) / 1_000) * unitsPerSecond + unpaid);
      spent += units;
    }
    const largest = Math.max(...pages.map(({ units }) => units));
    expect(largest).toBeLessThanOrEqual((1.2 * unitsPerSecond) / readers);
    expect(spent).toBeGreaterThan(0.6 * 4 * unitsPerSecond);
    expect(spent).toBeLessThan(4 * unitsPerSecond + 2 * unitsPerSecond);
  });
});
