import { MAX_PAGE_BYTES, type SourcePage } from '../../core/source.js';
import type { Pace } from '../pace.js';
import type { PageDecoder } from './decode-page.js';
import type { FlagsmithColumns } from './flagsmith-columns.js';
import type { FlagsmithDatabase } from './flagsmith-database.js';
import { type PageRange, type PageRow, pageStatement } from './identity-statements.js';
import { formatCursor, type ScanPlace } from './scan-cursor.js';
import { afterFailures, firstWindow, nextWindow, type ScanWindow } from './scan-window.js';

/** What a scan works with. */
export interface IdentityScan {
  readonly database: FlagsmithDatabase;
  readonly columns: FlagsmithColumns;
  readonly decoder: PageDecoder;
  readonly environmentId: number;
  readonly pageSize: number;
  readonly pace: Pace;
}

/** The pages after a place, by id. The pace is paid for a page before it is given. */
export async function* scanIdentities(
  scan: IdentityScan,
  start: ScanPlace,
  signal: AbortSignal,
): AsyncGenerator<SourcePage> {
  let window = firstWindow(scan.pageSize);
  let place: ScanPlace | undefined = start;
  while (place !== undefined) {
    const { row, range } = await readWindow(scan, place, window, signal);
    const reached = reachedId(row, range);
    const read: number = place.read + row.taken;
    if (row.lines !== null) {
      const cursor = formatCursor({ after: reached, read });
      await scan.pace.take(row.taken, signal);
      yield { ...scan.decoder.decode(row.lines), cursor, position: read };
    }
    const used = { ids: range.end - range.after, limit: range.limit };
    window = nextWindow(used, { ids: reached - range.after, rows: row.taken, bytes: row.bytes }, scan.pageSize);
    place = placeAfter(row, range, { after: reached, read });
  }
}

async function readWindow(
  { database, columns, environmentId }: IdentityScan,
  { after }: ScanPlace,
  window: ScanWindow,
  signal: AbortSignal,
): Promise<{ readonly row: PageRow; readonly range: PageRange }> {
  let range = rangeOf(window);
  function rangeOf({ ids, limit }: ScanWindow): PageRange {
    return { environmentId, after, end: after + ids, limit, maxBytes: MAX_PAGE_BYTES };
  }
  const makeStatement = (failures: number) => {
    range = rangeOf(afterFailures(window, failures));
    return pageStatement(columns, range);
  };
  const [row = EMPTY] = await database.ask<PageRow>(makeStatement, signal);
  return { row, range };
}

const EMPTY: PageRow = { lines: null, last_id: null, taken: 0, bytes: 0, found: 0, next_id: null };

/** The id up to which all is read. */
function reachedId({ taken, found, last_id }: PageRow, { end, limit }: PageRange): number {
  return last_id !== null && (taken < found || found === limit) ? Number(last_id) : end;
}

/** Where the next window begins; undefined at the end of the table. Ids that nobody has are passed over. */
function placeAfter({ next_id }: PageRow, { end }: PageRange, { after, read }: ScanPlace): ScanPlace | undefined {
  if (after < end) return { after, read };
  return next_id === null ? undefined : { after: Number(next_id) - 1, read };
}
