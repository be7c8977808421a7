import type { IndexService } from '../../gen/rollcall/v1/index_service_pb.js';
import { replayPage } from '../../indexing/dead-letters/replay-page.js';
import type { Replayer } from '../../indexing/dead-letters/replay-dead-letters.js';
import type { Database } from '../../storage/database.js';
import {
  dropDeadLetters,
  type SelectedDeadLetter,
  selectDeadLetters,
  showDeadLetters,
} from '../../storage/dead-letter-selection.js';
import { deadLetterMessage, failedReplayMessage, readFilter, readSelection } from '../messages/dead-letter-messages.js';
import { pageSizeOf, readIdToken, writeIdToken } from '../messages/name-tokens.js';
import type { Handlers } from '../transport/handlers.js';

const SHOWN_BYTES = 1_024;
const MAX_PAGE_BYTES = 2 * 1024 * 1024;
/** What Postgres takes as a length. */
const WHOLE = 2 ** 30;
const DEFAULT_REPLAYS = 1_000;

type DeadLetterHandlers = Pick<
  Handlers<typeof IndexService>,
  'listDeadLetters' | 'replayDeadLetters' | 'dropDeadLetters'
>;

/** The handlers of IndexService that are about dead letters. */
export function deadLetterHandlers(database: Database, applier: Replayer['applier']): DeadLetterHandlers {
  return {
    async listDeadLetters({ filter, pageSize, pageToken, whole }) {
      const limit = pageSizeOf(pageSize);
      const selected = await selectDeadLetters(
        database.sql,
        { kind: 'filter', ...readFilter(filter) },
        { afterId: readIdToken(pageToken), limit: limit + 1 },
      );
      const page = cutPage(selected.slice(0, limit), whole);
      const ids = page.map(({ id }) => id);
      const letters = await showDeadLetters(database.sql, ids, whole ? WHOLE : SHOWN_BYTES);
      return {
        deadLetters: letters.map(deadLetterMessage),
        nextPageToken: writeIdToken(selected.length > page.length ? page.at(-1)?.id : undefined),
      };
    },
    async replayDeadLetters({ selection, pageSize, pageToken }, { signal }) {
      const { replayed, failed, revisions, lastId } = await replayPage(
        { database, applier },
        readSelection(selection),
        {
          afterId: readIdToken(pageToken),
          limit: pageSize === 0 ? DEFAULT_REPLAYS : pageSize,
          signal,
        },
      );
      return {
        replayed: BigInt(replayed),
        failed: failed.map(failedReplayMessage),
        nextPageToken: writeIdToken(lastId),
        revisions: Object.fromEntries([...revisions].map(([key, revision]) => [key, BigInt(revision)])),
      };
    },
    async dropDeadLetters({ selection }) {
      return { dropped: BigInt(await dropDeadLetters(database.sql, readSelection(selection))) };
    },
  };
}

/** As many as fit into a page of whole messages, at least one. */
function cutPage(letters: readonly SelectedDeadLetter[], isWhole: boolean): readonly SelectedDeadLetter[] {
  if (!isWhole) return letters;
  let total = 0;
  const end = letters.findIndex(({ bytes }, index) => (total += bytes) > MAX_PAGE_BYTES && index > 0);
  return end < 0 ? letters : letters.slice(0, end);
}
