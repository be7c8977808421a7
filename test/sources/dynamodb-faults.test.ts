import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { IdentitySource, SourcePage } from '../../src/core/source.js';
import { openDynamoDbSource } from '../../src/sources/dynamodb/dynamodb-source.js';
import type { DynamoDbSourceOptions } from '../../src/sources/dynamodb/dynamodb-source.js';
import { dynamoDbError, startDynamoDbProxy } from '../helpers/dynamodb-proxy.js';
import type { DynamoDbProxy } from '../helpers/dynamodb-proxy.js';
import { createIdentityTable, edgeItem, putItems, REGION, startDynamoDb } from '../helpers/dynamodb-server.js';
import type { DynamoDbServer } from '../helpers/dynamodb-server.js';

const never = new AbortController().signal;
const THROTTLED = dynamoDbError('ProvisionedThroughputExceededException');
const BROKEN = dynamoDbError('InternalServerError', 'oops', 500);
/** Like the default, faster. */
const patience = { retries: 3, firstDelayMs: 10, longestDelayMs: 50, requestTimeoutMs: 300 };

let server: DynamoDbServer;
let proxy: DynamoDbProxy;

beforeAll(async () => {
  server = await startDynamoDb();
  await createIdentityTable(server.client);
  await putItems(
    server.client,
    Array.from({ length: 500 }, (_, index) => edgeItem('env', `user-${index}`, { age: { N: String(index) } })),
  );
});

afterAll(() => server.stop());

beforeEach(async () => {
  proxy = await startDynamoDbProxy(server.endpoint);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await proxy.close();
});

function open(options: DynamoDbSourceOptions = {}): IdentitySource {
  return openDynamoDbSource({ endpoint: proxy.endpoint, region: REGION, pageSize: 50, patience, ...options });
}

/** The pages up to the end or a failure, and that. */
async function readUntilFailure(source: IdentitySource, after?: string, signal = never) {
  const pages: SourcePage[] = [];
  try {
    for await (const page of source.pages(after, signal)) pages.push(page);
    return { pages, failure: undefined };
  } catch (failure) {
    return { pages, failure };
  } finally {
    await source.close();
  }
}

function identifiersOf(pages: readonly SourcePage[]): string[] {
  return pages.flatMap(({ identities }) => identities.map(({ identifier }) => identifier));
}

const kinds: [string, DynamoDbSourceOptions][] = [
  ['A query', { environmentKey: 'env' }],
  ['A scan', {}],
];

describe.each(kinds)('%s', (_, options) => {
  test('goes over throttling and other faults that pass', async () => {
    const faults = [THROTTLED, BROKEN, dynamoDbError('ThrottlingException')];
    proxy.rule = (_operation, index) =>
      index < 3 * faults.length ? (faults[index % faults.length] ?? 'pass') : 'pass';
    const { pages, failure } = await readUntilFailure(open(options));
    expect(failure).toBeUndefined();
    expect(new Set(identifiersOf(pages)).size).toBe(500);
    expect(identifiersOf(pages)).toHaveLength(500);
  });

  test('that is throttled for ever ends, and goes on from its last cursor later', async () => {
    proxy.rule = (_operation, index) => (index < 8 ? 'pass' : THROTTLED);
    const first = await readUntilFailure(open(options));
    expect(first.failure).toMatchObject({
      reason: 'SOURCE_UNAVAILABLE',
      message: 'DynamoDB throttles, and did not stop (ProvisionedThroughputExceededException)',
    });
    // The SDK's three attempts, four times each, for one run or for all four.
    expect(proxy.operations.length).toBeLessThanOrEqual(8 + 4 * 3 * 4);
    expect(first.pages.length).toBeGreaterThan(2);
    proxy.rule = () => 'pass';
    const second = await readUntilFailure(open(options), first.pages.at(-1)?.cursor);
    expect(second.failure).toBeUndefined();
    const all = identifiersOf([...first.pages, ...second.pages]);
    expect(new Set(all).size).toBe(500);
    expect(all).toHaveLength(500);
  });

  test.each([
    [
      'AccessDeniedException',
      'SOURCE_UNAVAILABLE',
      'DynamoDB denies access with these credentials (AccessDeniedException)',
    ],
    [
      'UnrecognizedClientException',
      'SOURCE_UNAVAILABLE',
      'DynamoDB denies access with these credentials (UnrecognizedClientException)',
    ],
    [
      'ExpiredTokenException',
      'SOURCE_UNAVAILABLE',
      'DynamoDB denies access with these credentials (ExpiredTokenException)',
    ],
    [
      'ResourceNotFoundException',
      'INVALID_DOCUMENT',
      `DynamoDB has no table flagsmith_identities in the region ${REGION} for these credentials`,
    ],
    ['ValidationException', 'INVALID_DOCUMENT', 'the table flagsmith_identities cannot be read as identities'],
  ])('ends at once by %s, without the words of the service', async (name, reason, message) => {
    proxy.rule = (operation) =>
      operation === 'DescribeTable' ? 'pass' : dynamoDbError(name, 'arn:aws:iam::123:user/secret');
    const { failure } = await readUntilFailure(open({ ...options, segments: 1 }));
    expect(failure).toMatchObject({ reason, message });
    expect(proxy.operations.filter((operation) => operation !== 'DescribeTable')).toHaveLength(1);
  });

  test('of a server that never answers ends after its attempts', async () => {
    proxy.rule = () => 'hang';
    const impatient = { retries: 1, firstDelayMs: 10, longestDelayMs: 10, requestTimeoutMs: 100 };
    const { failure } = await readUntilFailure(open({ ...options, patience: impatient }));
    expect(failure).toMatchObject({
      reason: 'SOURCE_UNAVAILABLE',
      message: 'DynamoDB cannot be reached (ETIMEDOUT)',
    });
  });

  test('of an address where nobody listens ends after its attempts', async () => {
    const endpoint = `http://127.0.0.1:${await unusedPort()}`;
    const { failure } = await readUntilFailure(open({ ...options, endpoint }));
    expect(failure).toMatchObject({
      reason: 'SOURCE_UNAVAILABLE',
      message: 'DynamoDB cannot be reached (ECONNREFUSED)',
    });
  });

  test('of an address that does not speak TLS says so', async () => {
    const endpoint = proxy.endpoint.replace('http:', 'https:');
    const { failure } = await readUntilFailure(open({ ...options, endpoint }));
    expect(failure).toMatchObject({
      reason: 'SOURCE_UNAVAILABLE',
      message: expect.stringMatching(/^DynamoDB's address does not speak TLS, or has no .* trusted \(\w+\)$/) as string,
    });
  });

  test.each([
    'before it begins',
    'while it waits for an answer',
    'while the SDK waits to try again',
    'while it waits for the SDK to try all again',
    'while its page is consumed',
  ])('that is cancelled %s ends at once with the reason of the signal', async (moment) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    if (moment === 'before it begins') controller.abort(reason);
    else setTimeout(() => controller.abort(reason), moment.includes('try all') ? 900 : 150);
    if (moment === 'while it waits for an answer') proxy.rule = () => 'hang';
    if (moment.includes('the SDK')) proxy.rule = () => (moment.includes('try all') ? BROKEN : THROTTLED);
    const slow = { retries: 9, firstDelayMs: 60_000, longestDelayMs: 60_000, requestTimeoutMs: 60_000 };
    const source = open({ ...options, patience: slow });
    const began = performance.now();
    const reading = async (): Promise<void> => {
      for await (const { identities } of source.pages(undefined, controller.signal))
        if (moment === 'while its page is consumed') await delay(100 + identities.length);
    };
    await expect(reading()).rejects.toBe(reason);
    expect(performance.now() - began).toBeLessThan(1_500);
    await source.close();
  });

  test('asks for nothing any more when its consumer stops', async () => {
    const source = open({ ...options, segments: 1, unitsPerSecond: 10 });
    for await (const { identities } of source.pages(undefined, never)) if (identities.length > 0) break;
    const asked = proxy.operations.length;
    // The next page would be paid for by then.
    await delay(600);
    expect(proxy.operations.length).toBe(asked);
    await source.close();
  });
});

describe('A source', () => {
  test('reads one page ahead of a query, and no further', async () => {
    const source = open({ environmentKey: 'env' });
    const pages = source.pages(undefined, never);
    await pages.next();
    await delay(100);
    expect(proxy.operations).toEqual(['DescribeTable', 'Query', 'Query']);
    await pages.return(undefined);
    await source.close();
  });

  test('reads without seeing what the table is, where it may only do that', async () => {
    proxy.rule = (operation) => (operation === 'DescribeTable' ? dynamoDbError('AccessDeniedException') : 'pass');
    const { pages, failure } = await readUntilFailure(open({ environmentKey: 'env' }));
    expect(failure).toBeUndefined();
    expect(identifiersOf(pages)).toHaveLength(500);
  });

  test('says that its index is still being built, and does not wait for it', async () => {
    const refusal = dynamoDbError('ValidationException', 'Cannot read from backfilling global secondary index: x');
    proxy.rule = (operation) => (operation === 'DescribeTable' ? 'pass' : refusal);
    const { failure } = await readUntilFailure(open({ environmentKey: 'env' }));
    expect(failure).toMatchObject({
      reason: 'SOURCE_UNAVAILABLE',
      message: 'the index of the table flagsmith_identities is still being built',
    });
  });

  test('names the index where DynamoDB does not find it in it', async () => {
    const refusal = dynamoDbError('ValidationException', 'The table does not have the specified index: x');
    proxy.rule = (operation) => (operation === 'Query' ? refusal : dynamoDbError('AccessDeniedException'));
    const { failure } = await readUntilFailure(open({ environmentKey: 'env' }));
    expect(failure).toMatchObject({
      reason: 'INVALID_DOCUMENT',
      message: 'the table flagsmith_identities does not have the index it is read by',
    });
  });

  test.each([
    'The provided starting key is invalid',
    'The provided starting key does not match the range key predicate',
    "Exclusive Start Key must have same size as table's key schema",
    'Exclusive start key must lie within the segment',
  ])('whose cursor is refused by "%s" says that it is the cursor', async (words) => {
    proxy.rule = (operation) => (operation === 'Query' ? dynamoDbError('ValidationException', words) : 'pass');
    const { failure } = await readUntilFailure(open({ environmentKey: 'env' }));
    expect(failure).toMatchObject({ reason: 'INVALID_CURSOR' });
  });

  test('without credentials says so', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    const { failure } = await readUntilFailure(open());
    expect(failure).toMatchObject({ reason: 'SOURCE_UNAVAILABLE', message: 'no AWS credentials were found' });
  });

  test('that is cancelled while credentials are looked for ends at once', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${proxy.endpoint}/credentials`);
    proxy.rule = () => 'hang';
    const began = performance.now();
    const { failure } = await readUntilFailure(open(), undefined, AbortSignal.timeout(150));
    expect(failure).toMatchObject({ name: 'TimeoutError' });
    expect(performance.now() - began).toBeLessThan(600);
    expect(proxy.operations).toEqual(['undefined']);
  });

  test('whose server ends half-way, and is there again, reads on by itself', async () => {
    let cut = false;
    proxy.rule = (_operation, index) => {
      if (index === 4 && !cut) {
        cut = true;
        const again = proxy.endpoint;
        void proxy.close().then(async () => {
          proxy = await startDynamoDbProxy(server.endpoint, Number(new URL(again).port));
        });
        return 'hang';
      }
      return 'pass';
    };
    const { pages, failure } = await readUntilFailure(open({ environmentKey: 'env' }));
    expect(failure).toBeUndefined();
    expect(identifiersOf(pages)).toHaveLength(500);
    expect(cut).toBe(true);
  });
});

async function unusedPort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 1;
}
