import type { IdentitySource, SkippedRow, SourceIdentity, SourcePage } from '../../src/core/source.js';
import type { Environment } from '../../src/storage/environments.js';

/** A source over a list that may change while it is read. */
export interface ListedSource extends IdentitySource {
  /** What it has now, in its order; a page is taken from it as the page is read. */
  readonly rows: SourceIdentity[];
  /** The cursors that reading began after. */
  readonly startedAfter: (string | undefined)[];
}

export interface ListedSourceOptions {
  readonly pageSize?: number;
  /** Called with the number of each page, from 0, once it is read and before anybody has it. */
  readonly onRead?: (page: number, signal: AbortSignal) => Promise<void> | void;
  /** Rows that are skipped with the page of this number. */
  readonly skipped?: ReadonlyMap<number, readonly SkippedRow[]>;
}

/** An identity of a source; traits are JSON texts. */
export function row(
  { key }: Pick<Environment, 'key'>,
  identifier: string,
  traits: Readonly<Record<string, string>> = {},
  id?: number,
): SourceIdentity {
  const own = id === undefined ? {} : { id };
  return { environmentKey: key, identifier, traits: new Map(Object.entries(traits)), ...own };
}

export function listedSource(
  { ordinalMode }: Pick<Environment, 'ordinalMode'>,
  rows: readonly SourceIdentity[],
  { pageSize = 2, onRead, skipped = new Map() }: ListedSourceOptions = {},
): ListedSource {
  const now = [...rows];
  const startedAfter: (string | undefined)[] = [];
  return {
    name: 'a list',
    ordinalMode,
    rows: now,
    startedAfter,
    estimate: () => Promise.resolve({ total: now.length, unit: 'identities' }),
    close: () => Promise.resolve(),
    async *pages(after, signal): AsyncGenerator<SourcePage> {
      startedAfter.push(after);
      for (let from = after === undefined ? 0 : Number(after); from < now.length; from += pageSize) {
        signal.throwIfAborted();
        const identities = now.slice(from, from + pageSize);
        const position = Math.min(now.length, from + pageSize);
        await onRead?.(from / pageSize, signal);
        const own = skipped.get(from / pageSize) ?? [];
        yield { identities, skipped: own, cursor: String(position), position };
      }
    },
  };
}
