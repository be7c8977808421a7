import { RollcallError } from '../../core/errors.js';

/** The header in which a caller says on whose behalf it calls: percent-encoded UTF-8. */
export const ACTOR_HEADER = 'rollcall-actor';

const MAX_ACTOR_CHARACTERS = 255;

/** Who calls: what the header says, else the peer's address without its port. Nothing of it is proven. Throws INVALID_REQUEST. */
export function actorOf(header: string, peer: string): string {
  if (header === '') return peer.slice(0, peer.lastIndexOf(':'));
  const actor = decode(header);
  if (actor === undefined || [...actor].length > MAX_ACTOR_CHARACTERS || /[\p{C}\p{Zl}\p{Zp}]/u.test(actor)) {
    const text = `${ACTOR_HEADER} holds at most ${MAX_ACTOR_CHARACTERS} printable characters, percent-encoded`;
    throw new RollcallError('INVALID_REQUEST', text, { metadata: { field: ACTOR_HEADER } });
  }
  return actor;
}

/** Undefined where it is not encoded so. */
function decode(header: string): string | undefined {
  try {
    return decodeURIComponent(header);
  } catch {
    return undefined;
  }
}
