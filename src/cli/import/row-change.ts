import type { OutgoingChange } from './encode-change.js';
import type { ImportRow } from './import-rows.js';

/** What a row does to its identity: replace all its traits, or set some. */
export type RowMode = 'upsert' | 'set-traits';

/** The change that a row stands for. In an upsert a null is no trait at all. */
export function rowChange(
  { identifier, id, traits }: ImportRow,
  { environment, mode }: { readonly environment: string; readonly mode: RowMode },
): OutgoingChange {
  const change = { environment, identifier, ...(id === undefined ? {} : { id }) };
  return mode === 'upsert'
    ? { ...change, kind: 'upsert', traits: withoutNulls(traits) }
    : { ...change, kind: 'set_traits', traits };
}

function withoutNulls(traits: ImportRow['traits']): ImportRow['traits'] {
  const entries = Object.entries(traits);
  return entries.some(([, value]) => value === null)
    ? Object.fromEntries(entries.filter(([, value]) => value !== null))
    : traits;
}
