/**
 * One change of one identity. Traits are their JSON texts (see `trait-text.ts`): `upsert` carries all of them, `set_traits` some, where null
 * removes that trait; `delete` carries none. `identityId` is the ordinal, in environments whose source gives it.
 */
export interface Change {
  readonly kind: 'upsert' | 'set_traits' | 'delete';
  readonly identifier: string;
  readonly identityId?: number;
  /** What `identity.key` is where the environment's mode is `id`; an identity keeps its own where a change brings none. */
  readonly keyOverride?: string;
  readonly traits: ReadonlyMap<string, string | null>;
  /** Keys of traits that it leaves as they are. */
  readonly except?: ReadonlySet<string>;
}

/** Characters (Unicode code points) of an identifier, at least 1. */
export const MAX_IDENTIFIER_LENGTH = 2000;
/** Bytes of the JSON text of all the traits of one identity. */
export const MAX_TRAITS_BYTES = 1024 * 1024;
