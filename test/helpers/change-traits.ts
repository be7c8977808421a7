import type { Change } from '../../src/core/changes.js';

/** The traits after a change, given those before, the plain way. */
export function changeTraits(before: ReadonlyMap<string, string>, change: Change): Map<string, string> {
  const traits = new Map(change.kind === 'set_traits' ? before : []);
  for (const [key, text] of change.traits) {
    if (text === null || text === 'null') traits.delete(key);
    else traits.set(key, text);
  }
  return traits;
}
