import { DEFAULT_TRAIT_LIMITS, checkTrait } from '../../core/check-trait.js';
import { RollcallError } from '../../core/errors.js';
import type { TraitValue } from '../../core/values.js';
import { checkIdentifier } from '../../indexing/decode.js';
import type { BadRows } from './bad-rows.js';

/** One identity of an input file. */
export interface ImportRow {
  readonly line: number;
  readonly identifier: string;
  /** Only where ids are given. */
  readonly id?: bigint;
  readonly traits: Readonly<Record<string, TraitValue>>;
}

/** Refuses identifiers that no environment takes, and those that came before. */
export interface IdentifierCheck {
  /** Whether the identifier can be used; if not, it was rejected. */
  accept(line: number, identifier: string): boolean;
}

export function createIdentifierCheck(badRows: BadRows): IdentifierCheck {
  const lines = new Map<string, number>();
  return {
    accept: (line, identifier) => {
      const problem = identifierProblem(identifier, lines.get(identifier));
      if (problem === undefined) lines.set(identifier, line);
      else badRows.reject(line, problem);
      return problem === undefined;
    },
  };
}

function identifierProblem(identifier: string, earlierLine: number | undefined): string | undefined {
  if (earlierLine !== undefined)
    return `the identifier ${JSON.stringify(identifier.slice(0, 100))} is that of line ${earlierLine} already`;
  return refusalOf(() => checkIdentifier(identifier));
}

/** Why a trait cannot be kept, or undefined. */
export function traitProblem(name: string, value: TraitValue): string | undefined {
  const refusal = refusalOf(() => checkTrait(name, value, DEFAULT_TRAIT_LIMITS));
  return refusal === undefined ? undefined : `${refusal}: ${JSON.stringify(name.slice(0, 100))}`;
}

function refusalOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof RollcallError) return error.message;
    throw error;
  }
}

/** The id in a cell or member, or undefined where it is none. */
export function readId(value: TraitValue | undefined): bigint | undefined {
  if (typeof value === 'bigint') return isId(value) ? value : undefined;
  if (typeof value !== 'string' || !/^[0-9]{1,16}$/.test(value)) return undefined;
  return readId(BigInt(value));
}

function isId(value: bigint): boolean {
  return value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER);
}
