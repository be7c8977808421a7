import type { Operator } from './operators.js';

/**
 * What an atom tests: one operator over one property of an identity. No field is ever null, so that equal atoms have
 * equal keys. `list` is the SHA-256 (hex) of a stored operand list, '' where `operand` is the operand. `segmentKey` is
 * '' unless the operator is PERCENTAGE_SPLIT, which hashes it.
 */
export interface AtomDefinition {
  readonly dialect: 'flagsmith';
  readonly property: string;
  readonly operator: Operator;
  readonly operand: string;
  readonly list: string;
  readonly segmentKey: string;
}
