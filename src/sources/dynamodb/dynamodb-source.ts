import type { TableDescription } from '@aws-sdk/client-dynamodb';
import { RollcallError } from '../../core/errors.js';
import { MAX_PAGE_IDENTITIES } from '../../core/source.js';
import type { IdentitySource, SourcePage, SourceSize } from '../../core/source.js';
import { formatCursor, parseCursor } from './cursors.js';
import type { Progress, ReadState, TableKey } from './cursors.js';
import { ENVIRONMENT_INDEX, openIdentityTable } from './identity-table.js';
import type { IdentityTable, TablePage } from './identity-table.js';
import { interleavePages } from './interleave-pages.js';
import { createPageBudget } from './page-budget.js';
import type { BudgetOptions } from './page-budget.js';
import { DEFAULT_PATIENCE } from './persist.js';
import type { Patience } from './persist.js';
import { readItems } from './read-items.js';

export interface DynamoDbSourceOptions {
  /** The environment to read; without one all of the table is scanned. */
  readonly environmentKey?: string;
  /** Whether the table is scanned for the environment, rather than its index queried: several segments at once, and the items of other environments are read and left out. */
  readonly isScanned?: boolean;
  readonly tableName?: string;
  /** As the SDK finds it where it is not given, like the credentials. */
  readonly region?: string;
  /** Of another server than AWS's own. */
  readonly endpoint?: string;
  /** Read capacity units a second on average; without it as fast as it goes. More than 0. */
  readonly unitsPerSecond?: number;
  /** How many segments of a scan are read at the same time; at least 1. A scan that is resumed keeps the number it began with. */
  readonly segments?: number;
  /** The most items of a page, from 1 to MAX_PAGE_IDENTITIES. */
  readonly pageSize?: number;
  readonly patience?: Patience;
}

const DEFAULT_TABLE = 'flagsmith_identities';
const DEFAULT_SEGMENTS = 4;

/**
 * Flagsmith Edge's identities in DynamoDB: of one environment, ordered by identifier where its index is queried, or of all, each with its environment; in no order where the table is scanned. Up to
 * a page of each segment is read ahead.
 *
 * All readings are eventually consistent, and what is read is no snapshot: an item that is there throughout comes at least once, as it was at some moment; one that is written or deleted
 * meanwhile comes or does not; a write of the last moments before the reading may not have reached the index. What changes meanwhile has to arrive as a live change as well.
 * It comes twice where the reading is resumed from the cursor before its page, or where its identifier has two items; by a scan those
 * are on any pages, and the last one counts, be it Edge's own or not.
 */
export function openDynamoDbSource(options: DynamoDbSourceOptions): IdentitySource {
  const {
    environmentKey,
    isScanned,
    tableName = DEFAULT_TABLE,
    region,
    endpoint,
    patience = DEFAULT_PATIENCE,
  } = options;
  const { unitsPerSecond, segments = DEFAULT_SEGMENTS, pageSize = MAX_PAGE_IDENTITIES } = options;
  const table = openIdentityTable({ tableName, region, endpoint, patience });
  const isQueried = environmentKey !== undefined && isScanned !== true;
  const first = isQueried
    ? { environmentKey, runs: ['start' as const], itemsRead: 0 }
    : { scannedFor: environmentKey, runs: Array.from({ length: segments }, (): Progress => 'start'), itemsRead: 0 };
  return {
    name: `DynamoDB table ${tableName}${environmentKey === undefined ? '' : `, environment ${environmentKey}`}`,
    ordinalMode: 'allotted',
    async estimate(signal) {
      return sizeOf(await table.describe(signal), isQueried);
    },
    async *pages(after, signal) {
      signal.throwIfAborted();
      const state = after === undefined ? first : parseCursor(after, first);
      if (isQueried) await checkIndex(table, tableName, signal);
      yield* readPages(table, state, { unitsPerSecond, pageSize }, signal);
    },
    close() {
      table.close();
      return Promise.resolve();
    },
  };
}

/** DynamoDB counts the items of tables and indexes every six hours, of new ones as 0 until then, and those of an environment never. */
function sizeOf(table: TableDescription | undefined, isQueried: boolean): SourceSize | undefined {
  const total = (isQueried ? indexOf(table) : table)?.ItemCount ?? 0;
  if (total === 0) return undefined;
  return { total, unit: 'identities', ...(isQueried ? { isAtMost: true } : {}) };
}

function indexOf(table: TableDescription | undefined) {
  return table?.GlobalSecondaryIndexes?.find(({ IndexName }) => IndexName === ENVIRONMENT_INDEX);
}

async function* readPages(
  table: IdentityTable,
  begun: ReadState,
  limits: BudgetOptions,
  signal: AbortSignal,
): AsyncGenerator<SourcePage> {
  const runs = [...begun.runs];
  let position = begun.itemsRead;
  for await (const { segment, items, itemsRead, next } of interleavePages(
    runs,
    createReader(table, begun, limits),
    signal,
  )) {
    const before = runs[segment];
    runs[segment] = next ?? 'done';
    position += itemsRead;
    const cursor = formatCursor({ ...begun, runs, itemsRead: position });
    yield { ...readItems(items, typeof before === 'object' ? before : undefined), cursor, position };
  }
}

type Reader = (segment: number, after: TableKey | undefined, signal: AbortSignal) => Promise<TablePage>;

/** Reads page after page of each run; each waits until the one before it is paid for. */
function createReader(
  table: IdentityTable,
  { environmentKey, scannedFor, runs: { length: segments } }: ReadState,
  limits: BudgetOptions,
): Reader {
  const budget = createPageBudget(limits, segments);
  const unpaid = new Map<number, { readonly items: number; readonly units: number }>();
  return async (segment, after, signal) => {
    await budget.spend(unpaid.get(segment) ?? { items: 0, units: 0 }, signal);
    const request = { after, limit: budget.limit() };
    const page =
      environmentKey === undefined
        ? await table.scan({ segment, segments, environmentKey: scannedFor }, request, signal)
        : await table.query(environmentKey, request, signal);
    unpaid.set(segment, { items: page.itemsRead, units: page.units });
    return page;
  };
}

/** An index without all attributes would make identities without traits. */
async function checkIndex(table: IdentityTable, tableName: string, signal: AbortSignal): Promise<void> {
  const description = await table.describe(signal);
  if (description === undefined) return;
  const index = indexOf(description);
  const metadata = { table: tableName, index: ENVIRONMENT_INDEX };
  if (index === undefined)
    throw new RollcallError('INVALID_DOCUMENT', `the table ${tableName} has no index ${ENVIRONMENT_INDEX}`, {
      metadata,
    });
  if (index.Projection?.ProjectionType !== 'ALL')
    throw new RollcallError('INVALID_DOCUMENT', `the index ${ENVIRONMENT_INDEX} does not hold all attributes`, {
      metadata,
    });
  if (index.Backfilling === true)
    throw new RollcallError('SOURCE_UNAVAILABLE', `the index ${ENVIRONMENT_INDEX} is still being built`, { metadata });
}
