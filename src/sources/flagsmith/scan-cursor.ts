import { RollcallError } from '../../core/errors.js';

/** How far a scan got: the last id, and how many rows were read up to it. */
export interface ScanPlace {
  readonly after: number;
  readonly read: number;
}

export const SCAN_START: ScanPlace = { after: 0, read: 0 };

export function formatCursor({ after, read }: ScanPlace): string {
  return JSON.stringify({ after, read });
}

/** Throws INVALID_CURSOR. */
export function parseCursor(text: string): ScanPlace {
  const { after, read } = parseObject(text);
  if (isCount(after) && isCount(read)) return { after, read };
  throw new RollcallError('INVALID_CURSOR', 'the cursor is not one of a Flagsmith database');
}

function parseObject(text: string): { readonly after?: unknown; readonly read?: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
