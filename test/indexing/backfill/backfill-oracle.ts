import type { Change } from '../../../src/core/changes.js';
import type { SourceIdentity } from '../../../src/core/source.js';
import type { Database } from '../../../src/storage/database.js';
import type { Environment } from '../../../src/storage/environments.js';

/** The source's state with the live changes since the base over it: no revisions, touches or pages. */
export class BackfillOracle {
  readonly #scanned: Map<string, Map<string, string>>;
  readonly #live = new Map<string, { isWhole: boolean; isThere: boolean; traits: Map<string, string | null> }>();

  constructor(rows: readonly SourceIdentity[]) {
    this.#scanned = new Map(rows.map(({ identifier, traits }) => [identifier, new Map(traits)]));
  }

  /** `stored` is what was there before the base, of which partial changes keep nothing: the scan says what it is now. */
  apply({ kind, identifier, traits }: Change, stored: ReadonlyMap<string, Map<string, string>>): void {
    const known = this.#live.get(identifier);
    if (kind === 'delete') this.#live.set(identifier, { isWhole: true, isThere: false, traits: new Map() });
    else if (kind === 'upsert') this.#live.set(identifier, { isWhole: true, isThere: true, traits: new Map(traits) });
    else {
      const isPart = known === undefined && !this.#scanned.has(identifier);
      const base = known?.traits ?? (isPart ? (stored.get(identifier) ?? []) : []);
      const isWhole = known?.isWhole ?? isPart;
      this.#live.set(identifier, { isWhole, isThere: true, traits: new Map([...base, ...traits]) });
    }
  }

  result(): Record<string, Record<string, string>> {
    const all = new Map(this.#scanned);
    for (const [identifier, { isWhole, isThere, traits }] of this.#live) {
      const own = new Map(isWhole ? [] : this.#scanned.get(identifier));
      for (const [key, text] of traits)
        if (text === null || text === 'null') own.delete(key);
        else own.set(key, text);
      if (isThere) all.set(identifier, own);
      else all.delete(identifier);
    }
    const entries = [...all].map(([identifier, own]): [string, Record<string, string>] => [
      identifier,
      Object.fromEntries(own),
    ]);
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

/** The traits of the live identities by identifier, each a JSON text. */
export async function storedTraits(
  database: Database,
  environment: Environment,
): Promise<Map<string, Map<string, string>>> {
  const all = await database.sql<{ identifier: string; traits: string }[]>`
    select identifier, coalesce((select json_object_agg(key, value::text) from jsonb_each(traits)), '{}')::text as traits
    from identity where environment_id = ${environment.id} and deleted_revision is null`;
  return new Map(
    all.map(({ identifier, traits }) => [
      identifier,
      new Map(Object.entries(JSON.parse(traits) as Record<string, string>)),
    ]),
  );
}
