import { type IdentitySource, MAX_PAGE_IDENTITIES, type SourcePage } from '../../core/source.js';
import { createPace } from '../pace.js';
import { PageDecoder } from './decode-page.js';
import { checkEnvironment, estimateIdentities, readSuperseded } from './environment-rows.js';
import { readColumns } from './flagsmith-columns.js';
import type { FlagsmithDatabase } from './flagsmith-database.js';
import { IDENTITY_COLUMNS } from './identity-statements.js';
import { type IdentityScan, scanIdentities } from './identity-scan.js';
import { parseCursor, SCAN_START } from './scan-cursor.js';
import { takeNextEarly } from './take-next-early.js';

export interface FlagsmithIdentityOptions {
  /** What the environment is called here, and what its row has as its id there. */
  readonly environmentKey: string;
  readonly environmentId: number;
  /** Identities a second at most, on average; without it as fast as it goes. */
  readonly rowsPerSecond?: number;
  /** Identities of a page at most; no more than `MAX_PAGE_IDENTITIES`. */
  readonly pageSize?: number;
}

/**
 * The identities of one environment of Flagsmith core's database, by their ids, which are the ordinals. Each page is one statement and so one moment of the database: an identity comes with all its
 * traits as they were then. Rows that are inserted meanwhile come if their id is above what was read already. Closing it ends its reading; the database is closed by who opened it.
 */
export function flagsmithIdentitySource(
  database: FlagsmithDatabase,
  options: FlagsmithIdentityOptions,
): IdentitySource {
  const { environmentKey, environmentId, rowsPerSecond } = options;
  const closing = new AbortController();
  const pageSize = pageSizeOf(options);

  async function* pages(after: string | undefined, signal: AbortSignal): AsyncGenerator<SourcePage> {
    const start = after === undefined ? SCAN_START : parseCursor(after);
    await checkEnvironment(database, environmentId, signal);
    const columns = await readColumns(database, IDENTITY_COLUMNS, signal);
    const decoder = new PageDecoder(environmentKey, await readSuperseded(database, environmentId, signal));
    const pace = createPace(rowsPerSecond);
    const scan: IdentityScan = { database, columns, decoder, environmentId, pageSize, pace };
    const stopping = new AbortController();
    const items = scanIdentities(scan, start, AbortSignal.any([signal, stopping.signal]));
    yield* takeNextEarly(items, () => stopping.abort());
  }

  return {
    name: `Flagsmith core Postgres, environment ${environmentId}`,
    ordinalMode: 'given',
    estimate: (signal) => estimateIdentities(database, environmentId, AbortSignal.any([signal, closing.signal])),
    pages: (after, signal) => pages(after, AbortSignal.any([signal, closing.signal])),
    close() {
      closing.abort();
      return Promise.resolve();
    },
  };
}

/** A page is never more than a second's worth. */
function pageSizeOf({ pageSize = MAX_PAGE_IDENTITIES, rowsPerSecond = Infinity }: FlagsmithIdentityOptions): number {
  return Math.max(1, Math.floor(Math.min(pageSize, rowsPerSecond, MAX_PAGE_IDENTITIES)));
}
