import type { AtomDefinition } from '../atoms.js';
import { readIn } from '../conditions/in-list.js';
import { compileAtomMatcher } from '../conditions/atom-matcher.js';
import type { Matcher } from '../conditions/matchers.js';
import { RollcallError } from '../errors.js';
import { type Property, resolveProperty } from '../properties/properties.js';
import { readConditionValue } from '../properties/trait-value.js';
import type { ConditionValue } from '../values.js';
import { InLists } from './in-lists.js';

/** An identity whose traits (each a JSON text) the caller brings. `key` is what `$.identity.key` is, undefined where the caller cannot know it. */
export interface InlineIdentity {
  readonly identifier: string;
  readonly key: string | undefined;
  readonly traits: ReadonlyMap<string, string>;
}

/** A value, and which tests of its column it passes as far as that is known. */
interface Outcomes {
  value: ConditionValue | undefined;
  readonly passed: Uint8Array;
  /** The places of the IN tests that it passes, once one of them was asked for. */
  inLists: readonly number[] | undefined;
}

const UNKNOWN = 0;
const NO = 1;
const YES = 2;

/** Texts of a trait whose outcomes are remembered: enough for plans, countries, versions, ages; little for what hardly ever comes twice (I12). */
const MAX_KNOWN_TEXTS = 256;
const MAX_KNOWN_LENGTH = 64;
/** What a remembered text takes beside a byte for each test, and a test beside its operand. */
const BYTES_PER_TEXT = 256;
const BYTES_PER_TEST = 512;

/** The tests of one property: each is decided once at most for each identity, for common values once and for all. */
export class Column {
  readonly property: Property;
  readonly #tests: ColumnTest[] = [];
  readonly #inLists = new InLists();
  readonly #known = new Map<string, Outcomes>();
  #missing = outcomesFor(0);
  #passing = outcomesFor(0);
  #current = this.#missing;

  constructor(property: Property) {
    this.property = property;
  }

  /** Roughly what it takes, or may come to. */
  get bytes(): number {
    const operands = this.#tests.reduce((sum, { atom }) => sum + atom.operand.length, 0);
    const perTest = BYTES_PER_TEST + MAX_KNOWN_TEXTS;
    return MAX_KNOWN_TEXTS * BYTES_PER_TEXT + this.#tests.length * perTest + 2 * operands + this.#inLists.bytes;
  }

  /** Adds the test of an atom, and tells its place; then the column has to be moved again. `list` holds the values of its stored list. */
  add(atom: AtomDefinition, list: ReadonlySet<string> | undefined): number {
    const place = this.#tests.length;
    const values = atom.operator !== 'IN' ? undefined : atom.list === '' ? readIn(atom.operand) : list;
    if (values !== undefined) this.#inLists.add(place, values);
    this.#tests.push({ atom, isInList: values !== undefined, matches: undefined });
    this.#known.clear();
    this.#missing = outcomesFor(this.#tests.length);
    this.#passing = outcomesFor(this.#tests.length);
    return place;
  }

  /** From here on tests are about `identity`. Throws INVALID_REQUEST where the property depends on a key that is not known. */
  moveTo(identity: InlineIdentity): void {
    this.#current =
      this.property.kind === 'trait'
        ? this.#outcomesOf(identity.traits.get(this.property.key))
        : this.#take(this.#passing, valueOf(this.property, identity));
  }

  /** Whether the identity passes the test. Throws CONFLICT where its list is missing, and as `compileMatcher`. */
  passes(place: number): boolean {
    const { value, passed } = this.#current;
    const known = passed[place];
    if (known !== UNKNOWN) return known === YES;
    const isPassed = value !== undefined && this.#decide(place, value);
    passed[place] = isPassed ? YES : NO;
    return isPassed;
  }

  #outcomesOf(text: string | undefined): Outcomes {
    if (text === undefined) return this.#missing;
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const value = readConditionValue(text);
    if (this.#known.size >= MAX_KNOWN_TEXTS || text.length > MAX_KNOWN_LENGTH) return this.#take(this.#passing, value);
    const outcomes = this.#take(outcomesFor(this.#tests.length), value);
    this.#known.set(text, outcomes);
    return outcomes;
  }

  #take(outcomes: Outcomes, value: ConditionValue | undefined): Outcomes {
    outcomes.value = value;
    outcomes.passed.fill(UNKNOWN);
    outcomes.inLists = undefined;
    return outcomes;
  }

  #decide(place: number, value: ConditionValue): boolean {
    const test = this.#tests[place];
    if (test === undefined) throw new RollcallError('INTERNAL', 'a test is not in its column');
    if (test.isInList) return this.#placesNow(value).includes(place);
    test.matches ??= matcherOf(test.atom);
    return test.matches(value);
  }

  /** Floats and booleans are in no list, whatever their text. */
  #placesNow(value: ConditionValue): readonly number[] {
    const text = typeof value === 'bigint' ? value.toString() : value;
    this.#current.inLists ??= typeof text === 'string' ? this.#inLists.placesOf(text) : [];
    return this.#current.inLists;
  }
}

interface ColumnTest {
  readonly atom: AtomDefinition;
  readonly isInList: boolean;
  matches: Matcher | undefined;
}

function outcomesFor(tests: number): Outcomes {
  return { value: undefined, passed: new Uint8Array(tests), inLists: undefined };
}

function matcherOf(atom: AtomDefinition): Matcher {
  if (atom.list !== '') throw changedMeanwhile();
  return compileAtomMatcher(atom);
}

function valueOf(property: Property, { identifier, key, traits }: InlineIdentity): ConditionValue | undefined {
  if (key === undefined && maySeeKey(property, traits)) throw unknownKey(property);
  return resolveProperty(property, { id: 0, identifier, key: key ?? '', traits });
}

/** Whether a property may depend on the identity's key. A trait of the path's very name wins over the path. */
function maySeeKey(property: Property, traits: ReadonlyMap<string, string>): boolean {
  switch (property.kind) {
    case 'identity-key-text':
      return true;
    case 'identity-key':
    case 'query':
      return !traits.has(property.literal);
    case 'path-json':
      return !traits.has(property.literal) && maySeeKey(property.of, traits);
    case 'identifier':
    case 'trait':
    case 'trait-json':
    case 'trait-path':
    case 'constant':
      return false;
  }
}

function unknownKey(property: Property): RollcallError {
  return new RollcallError(
    'INVALID_REQUEST',
    "a condition depends on the identity's key, which is its id in this environment: name a stored identity instead",
    { metadata: { field: 'identity', property: 'literal' in property ? property.literal : '' } },
  );
}

function changedMeanwhile(): RollcallError {
  return new RollcallError('CONFLICT', 'the segment was changed while it was being evaluated', {
    metadata: { retryAfterMs: '0' },
  });
}
