import { RollcallError } from '../../core/errors.js';
import type { EnvironmentIndex } from '../../query/environment-index.js';
import type { EnvironmentIndexes } from '../../query/environment-indexes.js';
import { expectAnswering, indexOff } from '../../query/environment-state.js';
import type { Freshness } from '../../query/select.js';

/** Throws as `expectAnswering`; where the newest is asked for, not because of what was so a moment ago. */
export async function confirmState(index: EnvironmentIndex, { level }: Freshness): Promise<void> {
  if (!index.isLoaded || (level === 'latest' && index.environment.state !== 'ready')) await index.advance();
  expectAnswering(index.environment);
}

/** For a stream to ask before each page: throws where its environment has been turned off, emptied ones too. */
export function streamGuard(indexes: EnvironmentIndexes, { id, key }: { readonly id: number; readonly key: string }) {
  return async (): Promise<void> => {
    const { environment } = indexes.followed(key) ?? (await indexes.get(key).catch(unlessGone)) ?? {};
    if (environment?.id === id) expectAnswering(environment);
    else if (environment?.state === 'off') throw indexOff(environment);
  };
}

function unlessGone(error: unknown): undefined {
  if (!(error instanceof RollcallError && error.reason === 'ENVIRONMENT_NOT_FOUND')) throw error;
}
