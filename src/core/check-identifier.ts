import { MAX_IDENTIFIER_LENGTH } from './changes.js';
import { RollcallError } from './errors.js';

/** Throws INVALID_IDENTIFIER for one that is empty, too long or holds what Postgres cannot store. */
export function checkIdentifier(identifier: string): void {
  const problem = identifierProblem(identifier);
  if (problem !== undefined)
    throw new RollcallError('INVALID_IDENTIFIER', `an identifier ${problem}`, { metadata: { field: 'identifier' } });
}

function identifierProblem(identifier: string): string | undefined {
  if (identifier === '') return 'has at least 1 character';
  if (identifier.length > MAX_IDENTIFIER_LENGTH && [...identifier].length > MAX_IDENTIFIER_LENGTH)
    return `has at most ${MAX_IDENTIFIER_LENGTH} characters`;
  if (identifier.includes('\0')) return 'holds no NUL character';
  return identifier.isWellFormed() ? undefined : 'holds no lone surrogate';
}
