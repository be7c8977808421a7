import type { EnvironmentIndex } from '../../query/environment-index.js';

/** Looks at the database before a segment is said not to exist: it may have been created a moment ago, by another server. */
export async function knowSegments(index: EnvironmentIndex, keys: readonly string[]): Promise<void> {
  if (index.isLoaded && keys.some((key) => index.catalog.definitionOf(key) === undefined)) await index.advance();
}
