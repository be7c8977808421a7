/**
 * What the writer of a message meant by it, in a header of the message that the service has no use for: what is right follows from the topic alone and no decoder under test
 * takes part. Traits are the texts that are to be stored.
 */
export type Intent =
  | {
      readonly kind: 'upsert' | 'set_traits';
      readonly environment: string;
      readonly identifier: string;
      readonly id?: number;
      readonly traits: Readonly<Record<string, string | null>>;
    }
  | { readonly kind: 'delete'; readonly environment: string; readonly identifier: string; readonly id?: number }
  /** Nobody can read it. `identity` is what its key names. */
  | { readonly kind: 'garbage'; readonly identity?: { readonly environment: string; readonly identifier: string } };

export const INTENT_HEADER = 'chaos-intent';

/** A message as it is produced. */
export interface OutgoingMessage {
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds since 1970. */
  readonly timestamp: string;
}
