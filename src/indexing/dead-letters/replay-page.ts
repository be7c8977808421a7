import {
  type DeadLetterSelection,
  type SelectedDeadLetter,
  selectDeadLetters,
} from '../../storage/dead-letter-selection.js';
import { getDeadLetters } from '../../storage/dead-letters.js';
import { type Replay, replayDeadLetters, type Replayer } from './replay-dead-letters.js';

/** What became of a page of dead letters, failed ones by id; `lastId` is the last that was tried, undefined where that was the last there is. */
export interface ReplayedPage extends Replay {
  readonly lastId: number | undefined;
}

/** Letters of one transaction. */
const MAX_TOGETHER = 500;
/** Bytes of letters that are in memory at once, unless one alone has more. */
const MAX_BYTES_TOGETHER = 16 * 1024 * 1024;

/** Applies the selected dead letters after `afterId`, at most `limit`, each partition's in their order. What was applied before the signal stays so. */
export async function replayPage(
  replayer: Replayer,
  selection: DeadLetterSelection,
  { afterId, limit, signal }: { readonly afterId: number; readonly limit: number; readonly signal: AbortSignal },
): Promise<ReplayedPage> {
  const selected = await selectDeadLetters(replayer.database.sql, selection, { afterId, limit: limit + 1 });
  const page = selected.slice(0, limit);
  const replays: Replay[] = [];
  for (const together of transactionsOf(page)) {
    signal.throwIfAborted();
    const letters = await getDeadLetters(replayer.database.sql, together);
    replays.push(await replayDeadLetters(replayer, letters));
  }
  return {
    replayed: replays.reduce((sum, { replayed }) => sum + replayed, 0),
    failed: replays.flatMap(({ failed }) => failed).sort((a, b) => a.id - b.id),
    revisions: new Map(replays.flatMap(({ revisions }) => [...revisions])),
    lastId: selected.length > page.length ? page.at(-1)?.id : undefined,
  };
}

/** The ids by transaction: letters of one partition, in their order. */
function* transactionsOf(letters: readonly SelectedDeadLetter[]): Generator<number[]> {
  for (const ofPartition of byPartition(letters)) {
    let ids: number[] = [];
    let total = 0;
    for (const { id, bytes } of ofPartition) {
      if (ids.length === MAX_TOGETHER || (ids.length > 0 && total + bytes > MAX_BYTES_TOGETHER)) {
        yield ids;
        ids = [];
        total = 0;
      }
      ids.push(id);
      total += bytes;
    }
    if (ids.length > 0) yield ids;
  }
}

function byPartition(letters: readonly SelectedDeadLetter[]): Iterable<SelectedDeadLetter[]> {
  const groups = new Map<string, SelectedDeadLetter[]>();
  for (const letter of letters) {
    const key = JSON.stringify([letter.cluster, letter.topic, letter.partition]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [letter]);
    else group.push(letter);
  }
  return groups.values();
}
