import { createHash } from 'node:crypto';
import type { LitestarOperator } from './conditions/litestar/operators.js';
import type { MozhnoOperator } from './conditions/mozhno/operators.js';
import type { Operator } from './conditions/operators.js';
import type { EnvironmentSettings } from './environment-settings.js';

/**
 * The version of what operators mean. Atoms of another version are built again: raise it with any change to an operator,
 * to how a property is resolved, or to the library that matches regular expressions.
 */
export const SEMANTICS_VERSION = 2;

/**
 * What an atom tests: one operator over one property of an identity. No field is ever null, so that equal atoms have
 * equal keys. `list` is the SHA-256 (hex) of a stored operand list, '' where `operand` is the operand. `segmentKey` is
 * '' unless the operator is PERCENTAGE_SPLIT, which hashes it. In other dialects than Flagsmith's the operand is JSON text,
 * and so is the value that the operator sees.
 */
export type AtomDefinition = AtomSubject & AtomTest;

/** The operators of one dialect. A test that means the same in all is of Flagsmith's: IS_SET. */
export type AtomTest =
  | { readonly dialect: 'flagsmith'; readonly operator: Operator }
  | { readonly dialect: 'litestar'; readonly operator: LitestarOperator }
  | { readonly dialect: 'mozhno'; readonly operator: MozhnoOperator };

interface AtomSubject {
  /** How to read `property`: as the very name of a trait, or as a path (see `properties.ts`). */
  readonly kind: 'trait' | 'path';
  readonly property: string;
  readonly operand: string;
  readonly list: string;
  readonly segmentKey: string;
  /** Absent where the property's value depends on none of the environment's settings. */
  readonly settings?: AtomSettings;
}

/** The settings under which an atom was compiled, those that its value depends on: under others it is another atom. */
export type AtomSettings = Pick<EnvironmentSettings, 'identityKeyMode'> & Partial<EnvironmentSettings>;

/** The canonical key of an atom: SHA-256 in hex of its fields in fixed order. Equal atoms of any segments have equal keys. */
export function atomKey(atom: AtomDefinition): string {
  const { dialect, kind, property, operator, operand, list, segmentKey, settings } = atom;
  const fields = [dialect, kind, property, operator, operand, list, segmentKey, ...settingFields(settings)];
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex');
}

function settingFields(settings: AtomSettings | undefined): string[] {
  if (settings === undefined) return [];
  const { identityKeyMode, name } = settings;
  return name === undefined ? [identityKeyMode] : [identityKeyMode, name];
}
