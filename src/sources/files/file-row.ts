import { checkTrait, DEFAULT_TRAIT_LIMITS } from '../../core/check-trait.js';
import { checkIdentifier } from '../../core/check-identifier.js';
import { type ErrorReason, RollcallError } from '../../core/errors.js';
import type { TraitValue } from '../../core/values.js';

/** An identity as a file has it. */
export interface FileRow {
  /** The line on which it ends, from 1. */
  readonly line: number;
  readonly identifier: string;
  /** Only where a column of ids was chosen. */
  readonly id?: number;
  /** JSON texts in the form of `trait-text.ts`. */
  readonly traits: ReadonlyMap<string, string>;
}

/** A row that cannot be taken. */
export interface BadRow {
  readonly line: number;
  /** Empty where it is not known. */
  readonly identifier: string;
  readonly reason: ErrorReason;
  /** For people. */
  readonly problem: string;
}

/** What is told of a file's rows, one after the other. */
export interface RowSink {
  take(row: FileRow): void;
  reject(row: BadRow): void;
}

/** The error of a row that must be taken; metadata `line`. */
export function failureOf({ line, reason, problem }: BadRow): RollcallError {
  return new RollcallError(reason, `line ${line}: ${problem}`, { metadata: { line: String(line) } });
}

/** Reads the records of a text, which holds whole ones only. */
export interface RecordReader {
  /** The line of the record that was read last, from 1; 0 before the first. */
  readonly line: number;
  /** The names of the columns, where the format has a line of them and it has been read. */
  readonly columns: readonly string[] | undefined;
  /** Reads the record that begins at `at` and gives where the next one does. Throws INVALID_DOCUMENT where nobody can tell. */
  read(text: string, at: number, rows: RowSink): number;
  /** Passes over a record whose bytes are no text. Throws INVALID_DOCUMENT where the others cannot be read without it. */
  passOver(record: string, rows: RowSink): void;
  /** The file is over. Throws INVALID_DOCUMENT where something was to come. */
  end(): void;
}

/** Why something cannot be kept. */
export interface Problem {
  readonly reason: ErrorReason;
  readonly problem: string;
}

/** Why no environment takes this identifier, or undefined. */
export function identifierProblem(identifier: string): Problem | undefined {
  return refusalOf(() => checkIdentifier(identifier));
}

/** Why a trait cannot be kept, or undefined. */
export function traitProblem(name: string, value: TraitValue): Problem | undefined {
  const refusal = refusalOf(() => checkTrait(name, value, DEFAULT_TRAIT_LIMITS));
  if (refusal === undefined) return undefined;
  return { ...refusal, problem: `${refusal.problem}: ${JSON.stringify(name.slice(0, 100))}` };
}

function refusalOf(check: () => void): Problem | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof RollcallError) return { reason: error.reason, problem: error.message };
    throw error;
  }
}

/** The id in a cell or member, or undefined where it is no whole number from 0 to 2^53 - 1. */
export function readId(value: TraitValue | undefined): number | undefined {
  if (typeof value === 'bigint') return value >= 0n && value <= MAX_ID ? Number(value) : undefined;
  if (typeof value !== 'string' || !/^[0-9]{1,16}$/.test(value)) return undefined;
  return readId(BigInt(value));
}

const MAX_ID = BigInt(Number.MAX_SAFE_INTEGER);
