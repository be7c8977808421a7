import { FlipCollector } from '../core/flips.js';
import type { Sql } from '../storage/database.js';
import type { Environment } from '../storage/environments.js';
import { findInEnvironments, type FoundIdentity } from '../storage/identities.js';
import {
  type Allot,
  allotFor,
  checkIds,
  divide,
  joinParts,
  missing,
  type Prepared,
  preparedPart,
  throwFirst,
  wantedFor,
} from './prepare-batch.js';
import { coalesce, type NumberedChange, type Part, type Refusal } from './working-set.js';
import { type RowsToWrite, rowsToWrite, writeTogether } from './write-rows.js';
import type { WriterCatalog } from './writer-catalog.js';

/** What a batch brings to one environment. */
export interface Share {
  readonly environment: Environment;
  readonly changes: readonly NumberedChange[];
  readonly catalog: WriterCatalog;
  readonly allot: Allot;
}

interface Checked extends Share {
  readonly refused: readonly Refusal[];
}

/**
 * As `prepare`, the small shares of several environments at once, so that each costs no statements of its own: in order of the environments' ids, none of which takes
 * ids from its source. They are read ahead, without locks. Rows that are there are written first, then those that are created.
 */
export async function prepareTogether(
  tx: Sql,
  received: readonly Share[],
  { reader, isWhole }: { readonly reader: Sql; readonly isWhole: boolean },
): Promise<Prepared[]> {
  const shares = received.map((share): Checked => ({ ...share, ...checkIds(share.environment, share.changes) }));
  if (isWhole) for (const { refused } of shares) throwFirst(refused);
  const rows = await findRows(reader, shares);
  const parts = await Promise.all(shares.map((share) => partsOfShare(share, rows.get(share.environment.id) ?? [])));
  const toWrite: { readonly environmentId: number; readonly rows: RowsToWrite }[] = [];
  const prepared = shares.map((share, at) => {
    const flips = new FlipCollector();
    const done = (parts[at] ?? []).map((part) => {
      const coalesced = coalesce(share.environment, part);
      toWrite.push({ environmentId: share.environment.id, rows: rowsToWrite(coalesced.changed, part.rows) });
      share.catalog.collectFlips(coalesced.changed, flips);
      return preparedPart(part, coalesced);
    });
    if (isWhole) throwFirst(done.flatMap((part) => part.refused));
    const { environment, catalog, refused } = share;
    return {
      environment,
      catalog,
      flips: flips.finish(false),
      catalogLoad: catalog.loads,
      ...joinParts(done, refused),
    };
  });
  await writeTogether(tx, toWrite);
  return prepared;
}

async function findRows(reader: Sql, shares: readonly Checked[]): Promise<Map<number, FoundIdentity[]>> {
  const wanted = shares.flatMap(({ environment, changes }) =>
    wantedFor(changes).identifiers.map((identifier) => ({ environmentId: environment.id, identifier })),
  );
  const found = new Map<number, FoundIdentity[]>();
  for (const row of await findInEnvironments(reader, wanted)) {
    const own = found.get(row.environmentId);
    if (own === undefined) found.set(row.environmentId, [row]);
    else own.push(row);
  }
  return found;
}

/** The changes of what is there, then those of what is to be created. */
async function partsOfShare({ changes, allot }: Checked, rows: readonly FoundIdentity[]): Promise<Part[]> {
  const { here, creating } = divide(changes, rows);
  const parts: Part[] = here.length === 0 ? [] : [{ changes: here, rows, ordinals: new Map() }];
  if (creating.length > 0)
    parts.push({ changes: creating, rows: [], ordinals: await allotFor(missing([], creating), allot) });
  return parts;
}
