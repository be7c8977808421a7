import { setImmediate } from 'node:timers/promises';
import { AtomIndex } from '../core/atom-index/atom-index.js';
import type { AtomDefinition } from '../core/atoms.js';
import { OrdinalSet } from '../core/bitmap.js';
import { UNIVERSE_ATOM_ID } from '../core/flips.js';
import { compileAtomMatcher } from '../core/conditions/atom-matcher.js';
import { dependenciesOf, propertyOf } from '../core/properties/properties.js';
import { readConditionValue } from '../core/properties/trait-value.js';
import { splitTraits } from '../core/trait-text.js';
import type { Sql } from '../storage/database.js';
import type { Environment } from '../storage/environments.js';
import { readOperandList } from '../storage/operand-lists.js';
import { MAX_COLUMN_TEXT, readOrdinals, readTrait, readTraitColumn, scanIdentities } from '../storage/scans.js';
import { viewOf } from './writer-catalog.js';

/** Evaluates one atom over the live identities in [from, until) as the connection's snapshot sees them. */
export type RangeEvaluator = (sql: Sql, from: number, until: number) => Promise<OrdinalSet>;

/**
 * How to evaluate an atom from stored identities; the universe has no definition. Of atoms on one trait only that is read, as one column, and equal texts are tested
 * once; only atoms that look at more than one trait read every identity.
 */
export async function rangeEvaluator(
  sql: Sql,
  present: Environment,
  atom: { readonly id: number; readonly definition: AtomDefinition | undefined },
): Promise<RangeEvaluator> {
  const { definition } = atom;
  const environment = { ...present, ...definition?.settings };
  if (definition === undefined || atom.id === UNIVERSE_ATOM_ID)
    return async (tx, from, until) => {
      const set = new OrdinalSet();
      set.addOffsets(from, await readOrdinals(tx, environment.id, from, until));
      return set;
    };
  const list = definition.list === '' ? undefined : await readOperandList(sql, definition.list);
  const property = propertyOf(definition, environment);
  if (property.kind === 'trait' || property.kind === 'trait-json') {
    const matches = compileAtomMatcher(definition, list);
    const isTrue = (text: string): boolean => {
      const value = property.kind === 'trait' ? readConditionValue(text) : text === 'null' ? undefined : text;
      return value !== undefined && matches(value);
    };
    const known = new KnownTexts(isTrue);
    return (tx, from, until) => evaluateColumn(tx, environment, { key: property.key, known, isTrue }, from, until);
  }
  const index = new AtomIndex(environment);
  index.add(atom.id, definition, list);
  const { traitKeys, any } = dependenciesOf(property);
  return (tx, from, until) =>
    evaluateEach(tx, environment, { index, atomId: atom.id, needsTraits: any || traitKeys.length > 0 }, from, until);
}

/** Distinct texts whose truth is kept: enough for what repeats, little for what does not. */
const MAX_KNOWN_TEXTS = 20_000;
/** Identities evaluated in one go: for so long nothing else of the process is answered. */
const ROWS_IN_ONE_GO = 10_000;

/** Whether a trait's text makes an atom true, remembered for the texts that came first. */
class KnownTexts {
  readonly #evaluate: (text: string) => boolean;
  readonly #known = new Map<string, boolean>();

  constructor(evaluate: (text: string) => boolean) {
    this.#evaluate = evaluate;
  }

  isTrue(text: string): boolean {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const isTrue = this.#evaluate(text);
    // A copy: a part of a long string would keep the whole.
    if (this.#known.size < MAX_KNOWN_TEXTS) this.#known.set(Buffer.from(text).toString(), isTrue);
    return isTrue;
  }
}

interface TraitAtom {
  readonly key: string;
  readonly known: KnownTexts;
  readonly isTrue: (text: string) => boolean;
}

async function evaluateColumn(
  tx: Sql,
  environment: Environment,
  { key, known, isTrue }: TraitAtom,
  from: number,
  until: number,
): Promise<OrdinalSet> {
  const { offsets, texts } = await readTraitColumn(tx, environment.id, key, from, until);
  const found = new Uint32Array(offsets.length);
  const cut: number[] = [];
  let count = 0;
  let start = 0;
  for (let row = 0; row < offsets.length; row++) {
    if (row % ROWS_IN_ONE_GO === ROWS_IN_ONE_GO - 1) await setImmediate();
    const newline = texts.indexOf('\n', start);
    const end = newline < 0 ? texts.length : newline;
    const offset = offsets[row] ?? 0;
    if (end - start > MAX_COLUMN_TEXT) cut.push(from + offset);
    else if (end > start && known.isTrue(texts.slice(start, end))) found[count++] = offset;
    start = end + 1;
  }
  const set = new OrdinalSet();
  set.addOffsets(from, found.subarray(0, count));
  if (cut.length === 0) return set;
  for await (const rows of readTrait(tx, environment.id, key, cut))
    for (const { id, text } of rows) if (isTrue(text)) set.add(id);
  return set;
}

async function evaluateEach(
  tx: Sql,
  environment: Environment,
  atom: { readonly index: AtomIndex; readonly atomId: number; readonly needsTraits: boolean },
  from: number,
  until: number,
): Promise<OrdinalSet> {
  const set = new OrdinalSet();
  for await (const identities of scanIdentities(tx, environment.id, from, until, atom.needsTraits)) {
    for (const { id, identifier, keyOverride, traits } of identities) {
      const state = { identifier, keyOverride: keyOverride ?? undefined, traits: splitTraits(traits) };
      if (atom.index.evaluate(atom.atomId, viewOf(environment, id, state))) set.add(id);
    }
  }
  return set;
}
