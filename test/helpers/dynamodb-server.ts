import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import {
  BatchWriteItemCommand,
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
} from '@aws-sdk/client-dynamodb';
import type { AttributeValue, ProjectionType } from '@aws-sdk/client-dynamodb';

const require = createRequire(import.meta.url);

/** A DynamoDB-compatible server in a process of its own, empty. */
export interface DynamoDbServer {
  readonly endpoint: string;
  readonly client: DynamoDBClient;
  stop(): Promise<void>;
}

export type EdgeItem = Record<string, AttributeValue>;

export const REGION = 'eu-west-1';
export const TABLE = 'flagsmith_identities';

/** What the SDK's default chain finds; the server takes any. */
function setTestCredentials(): void {
  process.env['AWS_ACCESS_KEY_ID'] = 'test';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'test';
  process.env['AWS_CONFIG_FILE'] = '/none';
  process.env['AWS_SHARED_CREDENTIALS_FILE'] = '/none';
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';
}

export async function startDynamoDb(): Promise<DynamoDbServer> {
  setTestCredentials();
  const program = `
    const server = require(${JSON.stringify(require.resolve('dynalite'))})({ createTableMs: 0, deleteTableMs: 0 });
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));`;
  const child = spawn(process.execPath, ['--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const port = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`dynalite ended with ${code ?? 'a signal'}`)));
  });
  const endpoint = `http://127.0.0.1:${port}`;
  const client = new DynamoDBClient({ endpoint, region: REGION });
  return {
    endpoint,
    client,
    async stop() {
      client.destroy();
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** A table as Flagsmith has it: by composite key, with the index on the environment. */
export async function createIdentityTable(
  client: DynamoDBClient,
  { name = TABLE, projection = 'ALL', hasIndex = true }: TableShape = {},
): Promise<void> {
  const keys = hasIndex ? ['composite_key', 'environment_api_key', 'identifier'] : ['composite_key'];
  const index = {
    IndexName: 'environment_api_key-identifier-index',
    KeySchema: [
      { AttributeName: 'environment_api_key', KeyType: 'HASH' as const },
      { AttributeName: 'identifier', KeyType: 'RANGE' as const },
    ],
    Projection: { ProjectionType: projection },
  };
  await client.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: keys.map((key) => ({ AttributeName: key, AttributeType: 'S' })),
      KeySchema: [{ AttributeName: 'composite_key', KeyType: 'HASH' }],
      ...(hasIndex ? { GlobalSecondaryIndexes: [index] } : {}),
    }),
  );
  const describe = new DescribeTableCommand({ TableName: name });
  while ((await client.send(describe)).Table?.TableStatus !== 'ACTIVE') await delay(5);
}

interface TableShape {
  readonly name?: string;
  readonly projection?: ProjectionType;
  readonly hasIndex?: boolean;
}

const BATCH = 25;
const WRITERS = 8;

/** Writes any number of items, in no order. */
export async function putItems(client: DynamoDBClient, items: readonly EdgeItem[], table = TABLE): Promise<void> {
  let next = 0;
  const write = async (): Promise<void> => {
    while (next < items.length) {
      const batch = items.slice(next, (next += BATCH));
      const requests = batch.map((item) => ({ PutRequest: { Item: item } }));
      await client.send(new BatchWriteItemCommand({ RequestItems: { [table]: requests } }));
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
}

/** An identity as Edge writes it. */
export function edgeItem(
  environmentKey: string,
  identifier: string,
  traits: Readonly<Record<string, AttributeValue>> = {},
  others: EdgeItem = {},
): EdgeItem {
  return {
    composite_key: { S: `${environmentKey}_${identifier}` },
    environment_api_key: { S: environmentKey },
    identifier: { S: identifier },
    identity_uuid: { S: '5a0d7d0c-3d4c-4d4c-9a52-0c1c6a1f5b11' },
    created_date: { S: '2024-05-01T10:20:30.123456+00:00' },
    identity_features: { L: [] },
    identity_traits: { L: Object.entries(traits).map(([key, value]) => edgeTrait(key, value)) },
    ...others,
  };
}

export function edgeTrait(key: string, value: AttributeValue): AttributeValue {
  return { M: { trait_key: { S: key }, trait_value: value } };
}
