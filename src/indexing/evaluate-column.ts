import { setImmediate } from 'node:timers/promises';
import { OrdinalSet } from '../core/bitmap.js';
import type { Sql } from '../storage/database.js';
import { MAX_COLUMN_TEXT, readTrait, readTraitColumn, type TraitForm } from '../storage/scans.js';

/** Evaluates one atom over the live identities in [from, until) as the connection's snapshot sees them. */
export type RangeEvaluator = (sql: Sql, from: number, until: number) => Promise<OrdinalSet>;

/** Whether an atom on one trait is true of a value: of its JSON text, and of a string by itself. */
export interface TraitTest {
  readonly ofJson: (text: string) => boolean;
  readonly ofString: (text: string) => boolean;
}

/**
 * Reads one trait as a column, and tests equal texts once. Values come bare, which Postgres gives in two thirds of the time that JSON texts take, for as long as nearly each
 * tells by itself what the atom is of it; else as JSON texts.
 */
export function columnEvaluator(environmentId: number, key: string, test: TraitTest): RangeEvaluator {
  const ofBare = new Verdicts((text) => bareVerdict(text, test));
  const ofJson = new Verdicts((text) => text !== '' && test.ofJson(text));
  let isBare = true;
  const evaluate = async (tx: Sql, form: TraitForm, from: number, until: number): Promise<OrdinalSet | undefined> => {
    const { offsets, texts } = await readTraitColumn(tx, environmentId, key, form, from, until);
    const tested = await testTexts(offsets, texts, form === 'bare' ? ofBare : ofJson);
    if (form === 'bare' && !isUsable(tested, offsets.length)) return undefined;
    const set = new OrdinalSet();
    set.addOffsets(from, tested.found);
    if (tested.unclear.length === 0) return set;
    const unclear = tested.unclear.map((offset) => from + offset);
    for await (const rows of readTrait(tx, environmentId, key, unclear))
      for (const { id, text } of rows) if (test.ofJson(text)) set.add(id);
    return set;
  };
  return async (tx, from, until) => {
    const set = isBare ? await evaluate(tx, 'bare', from, until) : undefined;
    if (set !== undefined) return set;
    isBare = false;
    return (await evaluate(tx, 'json', from, until)) ?? new OrdinalSet();
  };
}

/** True of a text, false, or undefined where that takes the value itself. */
type Verdict = boolean | undefined;

/** A bare text is that of a string, of another value, or of none at all: '' both of a missing value and of an empty string. */
function bareVerdict(text: string, { ofJson, ofString }: TraitTest): Verdict {
  const asString = ofString(text);
  if (text === '') return asString ? undefined : false;
  if (LIKE_A_COLLECTION.test(text)) return undefined;
  return LIKE_A_SCALAR.test(text) && ofJson(text) !== asString ? undefined : asString;
}

/** As Postgres writes numbers of jsonb: in full. */
const LIKE_A_SCALAR = /^(?:-?(?:0|[1-9]\d*)(?:\.\d+)?|true|false)$/;
const LIKE_A_COLLECTION = /^[[{]/;

/** Of so many identities one may be read by itself before values come as JSON texts, which cost less then. */
const ROWS_PER_UNCLEAR = 64;

function isUsable({ unclear, isInStep }: TestedTexts, rows: number): boolean {
  return isInStep && unclear.length * ROWS_PER_UNCLEAR <= rows;
}

/** Distinct texts whose verdict is kept: enough for what repeats, little for what does not. */
const MAX_KEPT_VERDICTS = 20_000;

/** The verdicts of texts, remembered of those that came first. */
class Verdicts {
  readonly #decide: (text: string) => Verdict;
  readonly #kept = new Map<string, Verdict>();

  constructor(decide: (text: string) => Verdict) {
    this.#decide = decide;
  }

  of(text: string): Verdict {
    const kept = this.#kept.get(text);
    if (kept !== undefined) return kept;
    const verdict = this.#decide(text);
    // A copy: a part of a long string would keep the whole.
    if (this.#kept.size < MAX_KEPT_VERDICTS) this.#kept.set(Buffer.from(text).toString(), verdict);
    return verdict;
  }
}

/** Identities evaluated in one go: for so long nothing else of the process is answered. */
const ROWS_IN_ONE_GO = 10_000;

/** Offsets of whom the atom is true, and of those whose value is to be read by itself. `isInStep`: there are as many texts as offsets. */
interface TestedTexts {
  readonly found: Uint32Array;
  readonly unclear: readonly number[];
  readonly isInStep: boolean;
}

async function testTexts(offsets: Uint32Array, texts: string, verdicts: Verdicts): Promise<TestedTexts> {
  const found = new Uint32Array(offsets.length);
  const unclear: number[] = [];
  let count = 0;
  let start = 0;
  for (let row = 0; row < offsets.length; row++) {
    if (row % ROWS_IN_ONE_GO === ROWS_IN_ONE_GO - 1) await setImmediate();
    const newline = texts.indexOf('\n', start);
    const end = newline < 0 ? texts.length : newline;
    const offset = offsets[row] ?? 0;
    const verdict = end - start > MAX_COLUMN_TEXT ? undefined : verdicts.of(texts.slice(start, end));
    if (verdict === true) found[count++] = offset;
    else if (verdict === undefined) unclear.push(offset);
    start = end + 1;
  }
  return { found: found.subarray(0, count), unclear, isInStep: offsets.length === 0 || start > texts.length };
}
