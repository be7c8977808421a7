import { DescribeTableCommand, DynamoDBClient, QueryCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import type { AttributeValue, QueryCommandOutput, TableDescription } from '@aws-sdk/client-dynamodb';
import { RollcallError } from '../../core/errors.js';
import type { TableKey } from './cursors.js';
import type { RunPage } from './interleave-pages.js';
import type { Patience } from './persist.js';
import { persist } from './persist.js';
import { ATTRIBUTES } from './read-items.js';
import type { Item } from './read-traits.js';
import { explainFailure } from './request-failures.js';

export interface TableOptions {
  readonly tableName: string;
  /** As the SDK finds it where it is not given, like the credentials. */
  readonly region?: string | undefined;
  /** Of another server than AWS's own. */
  readonly endpoint?: string | undefined;
  readonly patience: Patience;
}

/** A page, and the read capacity units that it took. */
export interface TablePage extends RunPage {
  readonly items: readonly Item[];
  /** Items that were read for it: with those that were left out. */
  readonly itemsRead: number;
  readonly units: number;
}

interface PageRequest {
  readonly after: TableKey | undefined;
  /** The most items that are read, though never more than 1 MB of them. */
  readonly limit: number;
}

/** What is wanted of a table that is scanned. */
export interface ScannedPart {
  readonly segment: number;
  readonly segments: number;
  readonly environmentKey: string | undefined;
}

/** Flagsmith's table of Edge identities. All throw SOURCE_UNAVAILABLE, INVALID_DOCUMENT or INVALID_CURSOR, and the signal's reason at once when that fires. */
export interface IdentityTable {
  /** Items of an environment, ordered by the bytes of their identifiers. */
  query(environmentKey: string, page: PageRequest, signal: AbortSignal): Promise<TablePage>;
  /** Items of a segment of the table, of all environments or of one. */
  scan(part: ScannedPart, page: PageRequest, signal: AbortSignal): Promise<TablePage>;
  /** Undefined where these credentials may read the table but not see what it is. */
  describe(signal: AbortSignal): Promise<TableDescription | undefined>;
  close(): void;
}

export const ENVIRONMENT_INDEX = 'environment_api_key-identifier-index';

/** The SDK's own, close to each other; longer ones are this module's. */
const ATTEMPTS_OF_SDK = 3;
const CONNECT_TIMEOUT_MS = 5_000;

export function openIdentityTable({ tableName, region, endpoint, patience }: TableOptions): IdentityTable {
  const client = new DynamoDBClient({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    retryMode: 'standard',
    maxAttempts: ATTEMPTS_OF_SDK,
    requestHandler: {
      connectionTimeout: Math.min(CONNECT_TIMEOUT_MS, patience.requestTimeoutMs),
      requestTimeout: patience.requestTimeoutMs,
      socketTimeout: patience.requestTimeoutMs,
      throwOnRequestTimeout: true,
    },
  });
  const run = async <Output>(send: () => Promise<Output>, signal: AbortSignal): Promise<Output> => {
    try {
      return await persist(send, patience, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw explainFailure(error, { table: tableName, region: await regionOf(client) });
    }
  };
  const shared = {
    TableName: tableName,
    ProjectionExpression: ATTRIBUTES.join(', '),
    ReturnConsumedCapacity: 'TOTAL',
  } as const;
  return {
    async query(environmentKey, { after, limit }, signal) {
      const command = new QueryCommand({
        ...shared,
        ...pageOf(after, limit),
        IndexName: ENVIRONMENT_INDEX,
        KeyConditionExpression: OF_ENVIRONMENT,
        ...environmentValue(environmentKey),
      });
      return readOutput(await run(() => client.send(command, { abortSignal: signal }), signal), tableName);
    },
    async scan({ segment, segments, environmentKey }, { after, limit }, signal) {
      const command = new ScanCommand({
        ...shared,
        ...pageOf(after, limit),
        Segment: segment,
        TotalSegments: segments,
        ...(environmentKey === undefined
          ? {}
          : { FilterExpression: OF_ENVIRONMENT, ...environmentValue(environmentKey) }),
      });
      return readOutput(await run(() => client.send(command, { abortSignal: signal }), signal), tableName);
    },
    async describe(signal) {
      const command = new DescribeTableCommand({ TableName: tableName });
      const send = () => client.send(command, { abortSignal: signal });
      try {
        return (await run(send, signal)).Table;
      } catch (error) {
        if (isDenied(error)) return undefined;
        throw error;
      }
    },
    close: () => client.destroy(),
  };
}

const OF_ENVIRONMENT = 'environment_api_key = :environment';

function environmentValue(environmentKey: string) {
  return { ExpressionAttributeValues: { ':environment': { S: environmentKey } } };
}

/** Undefined where none is configured. */
async function regionOf({ config }: DynamoDBClient): Promise<string | undefined> {
  return config.region().catch(() => undefined);
}

function pageOf(after: TableKey | undefined, limit: number) {
  return after === undefined ? { Limit: limit } : { Limit: limit, ExclusiveStartKey: toAttributes(after) };
}

function toAttributes(key: TableKey): Record<string, AttributeValue> {
  return Object.fromEntries(Object.entries(key).map(([name, text]) => [name, { S: text }]));
}

type ReadOutput = Pick<QueryCommandOutput, 'Items' | 'ScannedCount' | 'LastEvaluatedKey' | 'ConsumedCapacity'>;

/** A server that does not say what a page took is thought to take what items of up to 4 KB would. */
const UNITS_OF_ITEM = 0.5;

function readOutput(output: ReadOutput, table: string): TablePage {
  const { Items: items = [], LastEvaluatedKey, ConsumedCapacity } = output;
  const itemsRead = output.ScannedCount ?? items.length;
  const next = LastEvaluatedKey === undefined ? undefined : toTableKey(LastEvaluatedKey, table);
  return { items, itemsRead, next, units: ConsumedCapacity?.CapacityUnits ?? itemsRead * UNITS_OF_ITEM };
}

function toTableKey(attributes: Record<string, AttributeValue>, table: string): TableKey {
  const texts = Object.entries(attributes).map(([name, { S: text }]): [string, string] => {
    if (text === undefined) throw new RollcallError('INVALID_DOCUMENT', `the keys of the table ${table} are not texts`);
    return [name, text];
  });
  return Object.fromEntries(texts);
}

function isDenied(error: unknown): boolean {
  const cause = error instanceof RollcallError ? error.cause : undefined;
  return cause instanceof Error && cause.name === 'AccessDeniedException';
}
