import { setImmediate } from 'node:timers/promises';
import { OrdinalSet } from '../core/bitmap.js';
import type { Sql } from '../storage/database.js';
import { MAX_COLUMN_TEXT, readTrait, readTraitColumn, type TraitForm } from '../storage/scans.js';

/** Evaluates atoms over the live identities in [from, until) as the connection's snapshot sees them: a set for each, in the order of the atoms. */
export type RangeEvaluator = (sql: Sql, from: number, until: number) => Promise<OrdinalSet[]>;

/** Whether an atom on one trait is true of a value: of its JSON text, and of a string by itself. */
export interface TraitTest {
  readonly ofJson: (text: string) => boolean;
  readonly ofString: (text: string) => boolean;
}

/**
 * Reads one trait as a column for all tests, and tests equal texts once. Values come bare, which Postgres gives in two thirds of the time that JSON texts take, for as long as
 * nearly each tells by itself what the atoms are of it; else as JSON texts.
 */
export function columnEvaluator(environmentId: number, key: string, tests: readonly TraitTest[]): RangeEvaluator {
  const bareTexts = new KnownTexts();
  const ofBare = tests.map((test) => new Verdicts(bareTexts, (text) => bareVerdict(text, test)));
  const jsonTexts = new KnownTexts();
  const ofJson = tests.map((test) => new Verdicts(jsonTexts, (text) => text !== '' && test.ofJson(text)));
  let isBare = true;
  const evaluate = async (tx: Sql, form: TraitForm, from: number, until: number): Promise<OrdinalSet[] | undefined> => {
    const { offsets, texts } = await readTraitColumn(tx, environmentId, key, form, from, until);
    const column = await encodeColumn(offsets, texts, form === 'bare' ? bareTexts : jsonTexts);
    if (form === 'bare' && !column.isInStep) return undefined;
    const sets: OrdinalSet[] = [];
    const unclear = new Set<number>();
    for (const verdicts of form === 'bare' ? ofBare : ofJson) {
      const tested = await testColumn(column, verdicts);
      sets.push(setOf(from, tested.found));
      for (const offset of tested.unclear) unclear.add(from + offset);
      if (form === 'json' || unclear.size * ROWS_PER_UNCLEAR <= offsets.length) continue;
      for (const set of sets) set.dispose();
      return undefined;
    }
    if (unclear.size > 0) await addUnclear(tx, { environmentId, key, tests }, unclear, sets);
    return sets;
  };
  return async (tx, from, until) => {
    const sets = isBare ? await evaluate(tx, 'bare', from, until) : undefined;
    if (sets !== undefined) return sets;
    isBare = false;
    return (await evaluate(tx, 'json', from, until)) ?? [];
  };
}

function setOf(from: number, offsets: Uint32Array): OrdinalSet {
  const set = new OrdinalSet();
  set.addOffsets(from, offsets);
  return set;
}

/** Tests the values that are unclear to any of the atoms by themselves. */
async function addUnclear(
  tx: Sql,
  { environmentId, key, tests }: { environmentId: number; key: string; tests: readonly TraitTest[] },
  unclear: ReadonlySet<number>,
  sets: readonly OrdinalSet[],
): Promise<void> {
  for await (const rows of readTrait(tx, environmentId, key, [...unclear]))
    for (const { id, text } of rows)
      for (const [at, { ofJson }] of tests.entries()) if (ofJson(text)) sets[at]?.add(id);
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

/** Distinct texts that are known by a number: enough for what repeats, little for what does not. */
const MAX_KNOWN_TEXTS = 20_000;
const UNKNOWN = MAX_KNOWN_TEXTS;

/** Numbers the texts that come first. */
class KnownTexts {
  readonly #codes = new Map<string, number>();
  readonly #texts: string[] = [];

  /** UNKNOWN where the text came too late. */
  codeOf(text: string): number {
    const known = this.#codes.get(text);
    if (known !== undefined) return known;
    const code = this.#texts.length;
    if (code === MAX_KNOWN_TEXTS) return UNKNOWN;
    // A copy: a part of a long string would keep the whole.
    const copy = Buffer.from(text).toString();
    this.#codes.set(copy, code);
    this.#texts.push(copy);
    return code;
  }

  textOf(code: number): string {
    return this.#texts[code] ?? '';
  }
}

/** What one atom is of texts, decided once for the known ones. */
class Verdicts {
  readonly #texts: KnownTexts;
  readonly #decide: (text: string) => Verdict;
  readonly #known: Verdict[] = [];
  readonly #isDecided = new Uint8Array(MAX_KNOWN_TEXTS);

  constructor(texts: KnownTexts, decide: (text: string) => Verdict) {
    this.#texts = texts;
    this.#decide = decide;
  }

  ofCode(code: number): Verdict {
    if (this.#isDecided[code] === 0) {
      this.#known[code] = this.#decide(this.#texts.textOf(code));
      this.#isDecided[code] = 1;
    }
    return this.#known[code];
  }

  of(text: string): Verdict {
    return this.#decide(text);
  }
}

/** Identities evaluated in one go: for so long nothing else of the process is answered. */
const ROWS_IN_ONE_GO = 10_000;

/** A column by numbers of texts; `others` are the UNKNOWN texts in turn, undefined those that came cut. `isInStep`: there are as many texts as offsets. */
interface EncodedColumn {
  readonly offsets: Uint32Array;
  readonly codes: Uint16Array;
  readonly others: readonly (string | undefined)[];
  readonly isInStep: boolean;
}

async function encodeColumn(offsets: Uint32Array, texts: string, known: KnownTexts): Promise<EncodedColumn> {
  const codes = new Uint16Array(offsets.length);
  const others: (string | undefined)[] = [];
  let start = 0;
  for (let row = 0; row < offsets.length; row++) {
    if (row % ROWS_IN_ONE_GO === ROWS_IN_ONE_GO - 1) await setImmediate();
    const newline = texts.indexOf('\n', start);
    const end = newline < 0 ? texts.length : newline;
    const text = end - start > MAX_COLUMN_TEXT ? undefined : texts.slice(start, end);
    const code = text === undefined ? UNKNOWN : known.codeOf(text);
    codes[row] = code;
    if (code === UNKNOWN) others.push(text);
    start = end + 1;
  }
  return { offsets, codes, others, isInStep: offsets.length === 0 || start > texts.length };
}

/** Offsets of whom an atom is true, and of those whose value is to be read by itself. */
interface TestedColumn {
  readonly found: Uint32Array;
  readonly unclear: readonly number[];
}

async function testColumn({ offsets, codes, others }: EncodedColumn, verdicts: Verdicts): Promise<TestedColumn> {
  const found = new Uint32Array(offsets.length);
  const unclear: number[] = [];
  let count = 0;
  let other = 0;
  for (let row = 0; row < offsets.length; row++) {
    if (row % ROWS_IN_ONE_GO === ROWS_IN_ONE_GO - 1) await setImmediate();
    const code = codes[row] ?? UNKNOWN;
    const text = code === UNKNOWN ? others[other++] : undefined;
    const verdict = code !== UNKNOWN ? verdicts.ofCode(code) : text === undefined ? undefined : verdicts.of(text);
    if (verdict === true) found[count++] = offsets[row] ?? 0;
    else if (verdict === undefined) unclear.push(offsets[row] ?? 0);
  }
  return { found: found.subarray(0, count), unclear };
}
