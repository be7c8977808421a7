import { z } from 'zod';
import { RollcallError } from '../../core/errors.js';

/** The key of the last item that was read, as DynamoDB's LastEvaluatedKey has it: names of attributes and their texts. */
export type TableKey = Readonly<Record<string, string>>;

/** How far a run of pages is: not begun, after an item, or at its end. */
export type Progress = 'start' | 'done' | TableKey;

/** How far a reading is: each of its runs, in the order of their segments, and the items so far. */
export interface ReadState {
  /** The environment that is queried; absent where the table is scanned. */
  readonly environmentKey?: string | undefined;
  /** The environment that the table is scanned for; absent where it is for all. */
  readonly scannedFor?: string | undefined;
  readonly runs: readonly Progress[];
  readonly itemsRead: number;
}

const StoredState = z.strictObject({
  environmentKey: z.string().optional(),
  scannedFor: z.string().optional(),
  runs: z.array(z.union([z.enum(['start', 'done']), z.record(z.string(), z.string())])).min(1),
  itemsRead: z.int().min(0),
});

export function formatCursor(state: ReadState): string {
  return JSON.stringify(state);
}

/**
 * The state that a cursor holds. The number of its runs is that of the reading it began with, since the keys of a scan belong to their segments. Throws INVALID_CURSOR where it is none of this
 * environment, or not of the same kind of reading.
 */
export function parseCursor(
  cursor: string,
  { environmentKey, scannedFor }: Omit<ReadState, 'runs' | 'itemsRead'>,
): ReadState {
  const parsed = StoredState.safeParse(parseJson(cursor));
  if (parsed.success && parsed.data.environmentKey === environmentKey && parsed.data.scannedFor === scannedFor)
    return parsed.data;
  throw new RollcallError('INVALID_CURSOR', 'the cursor is not one of this reading of DynamoDB');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
