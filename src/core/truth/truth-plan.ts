import type { AtomDefinition } from '../atoms.js';
import type { Operator } from '../conditions/operators.js';
import type { Predicate } from '../predicates.js';
import { type EnvironmentView, type Property, propertyOf } from '../properties/properties.js';
import { Column, type InlineIdentity } from './column.js';

/** What is to be found out next, and what follows from it; at the end the truth of the predicate. */
export type Step = boolean | { readonly test: PlanTest; readonly ifTrue: Step; readonly ifFalse: Step };

/** An atom, as one of the tests of its property. */
interface PlanTest {
  readonly property: PlanProperty;
  readonly place: number;
}

interface PlanProperty {
  readonly column: Column;
  /** The move to which the column has come. */
  move: number;
}

const NOWHERE = -1;
const BYTES_PER_STEP = 64;

type Lists = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Predicates made ready to be tested against one identity after the other. A property is read, an atom tested, once at most for each identity, and only when it
 * is come to. Of the operands of an `and` or an `or` the cheap ones come first.
 */
export class TruthPlan {
  readonly #environment: EnvironmentView;
  readonly #properties = new Map<string, PlanProperty>();
  readonly #tests = new Map<string, PlanTest>();
  readonly #costs = new Map<string, number>();
  #moves = 0;
  #steps = 0;
  #identity: InlineIdentity = { identifier: '', key: undefined, traits: new Map() };

  constructor(environment: EnvironmentView) {
    this.#environment = environment;
  }

  /** Roughly what the plan takes, or may come to. */
  get bytes(): number {
    const columns = [...this.#properties.values()].reduce((sum, { column }) => sum + column.bytes, 0);
    return columns + this.#steps * BYTES_PER_STEP;
  }

  /** From here on tests are about `identity`. */
  moveTo(identity: InlineIdentity): void {
    this.#moves += 1;
    this.#identity = identity;
  }

  /**
   * Whether the predicate that begins with `first` is true of the identity. Throws INVALID_REQUEST where that depends on a key that is not known, CONFLICT where
   * on a list that is missing.
   */
  isTrue(first: Step): boolean {
    let step = first;
    while (typeof step !== 'boolean') step = this.#passes(step.test) ? step.ifTrue : step.ifFalse;
    return step;
  }

  #passes({ property, place }: PlanTest): boolean {
    if (property.move !== this.#moves) {
      property.column.moveTo(this.#identity);
      property.move = this.#moves;
    }
    return property.column.passes(place);
  }

  /** The first step of a predicate; `lists` are the values of its stored lists by SHA-256. */
  compile(predicate: Predicate, lists: Lists): Step {
    return this.#stepsOf(predicate, lists, true, false);
  }

  #stepsOf(predicate: Predicate, lists: Lists, ifTrue: Step, ifFalse: Step): Step {
    switch (predicate.kind) {
      case 'everyone':
        return ifTrue;
      case 'nobody':
        return ifFalse;
      case 'atom':
        this.#steps += 1;
        return { test: this.#testOf(predicate.key, predicate.atom, lists), ifTrue, ifFalse };
      case 'not':
        return this.#stepsOf(predicate.operand, lists, ifFalse, ifTrue);
      case 'and':
        return this.#dearestFirst(predicate.operands).reduce(
          (next, operand) => this.#stepsOf(operand, lists, next, ifFalse),
          ifTrue,
        );
      case 'or':
        return this.#dearestFirst(predicate.operands).reduce(
          (next, operand) => this.#stepsOf(operand, lists, ifTrue, next),
          ifFalse,
        );
    }
  }

  #dearestFirst(operands: readonly Predicate[]): Predicate[] {
    return [...operands].sort((a, b) => this.#costOf(b) - this.#costOf(a));
  }

  #costOf(predicate: Predicate): number {
    const known = this.#costs.get(predicate.key);
    if (known !== undefined) return known;
    const cost = this.#newCostOf(predicate);
    this.#costs.set(predicate.key, cost);
    return cost;
  }

  #newCostOf(predicate: Predicate): number {
    switch (predicate.kind) {
      case 'everyone':
      case 'nobody':
        return 0;
      case 'atom':
        return operatorCostOf(predicate.atom) + PROPERTY_COSTS[propertyOf(predicate.atom, this.#environment).kind];
      case 'not':
        return this.#costOf(predicate.operand);
      case 'and':
      case 'or':
        return predicate.operands.reduce((sum, operand) => sum + this.#costOf(operand), 0);
    }
  }

  #testOf(key: string, atom: AtomDefinition, lists: Lists): PlanTest {
    const known = this.#tests.get(key);
    if (known !== undefined) return known;
    const property = this.#propertyOf(atom);
    const test = { property, place: property.column.add(atom, lists.get(atom.list)) };
    property.move = NOWHERE;
    this.#tests.set(key, test);
    return test;
  }

  #propertyOf(atom: AtomDefinition): PlanProperty {
    const property = propertyOf(atom, this.#environment);
    const name = `${property.kind} ${atom.settings?.name ?? ''} ${atom.property}`;
    const known = this.#properties.get(name) ?? { column: new Column(property), move: NOWHERE };
    this.#properties.set(name, known);
    return known;
  }
}

/** Nanoseconds, roughly. */
function operatorCostOf(atom: AtomDefinition): number {
  return atom.dialect === 'flagsmith' ? COSTS[atom.operator] : TYPED_COST;
}

const TYPED_COST = 50;
const COSTS: Readonly<Record<Operator, number>> = {
  IS_SET: 1,
  EQUAL: 10,
  NOT_EQUAL: 10,
  GREATER_THAN: 10,
  GREATER_THAN_INCLUSIVE: 10,
  LESS_THAN: 10,
  LESS_THAN_INCLUSIVE: 10,
  IN: 30,
  CONTAINS: 20,
  NOT_CONTAINS: 20,
  MODULO: 30,
  REGEX: 100,
  PERCENTAGE_SPLIT: 400,
};

/** What a key may be missing for comes last: often the rest decides already. */
const PROPERTY_COSTS: Readonly<Record<Property['kind'], number>> = {
  trait: 0,
  identifier: 0,
  constant: 0,
  'trait-path': 500,
  'identity-key': 1_000,
  'identity-key-text': 1_000,
  query: 10_000,
  'trait-json': 50,
  'path-json': 1_000,
};
