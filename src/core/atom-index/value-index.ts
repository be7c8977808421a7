import type { AtomDefinition } from '../atoms.js';
import { compareScalars, compareText } from '../conditions/compare.js';
import { readIn } from '../conditions/in-list.js';
import { compileAtomMatcher, membersOf } from '../conditions/atom-matcher.js';
import type { Matcher } from '../conditions/matchers.js';
import { MembershipIndex } from './membership-index.js';
import { readOperand, semverOperand } from '../conditions/operands.js';
import { type Comparison, COMPARISONS } from '../conditions/operators.js';
import { readPythonFloat, readPythonInt } from '../python/python-numbers.js';
import { TypedIndex } from './typed-index.js';
import type { ConditionValue } from '../values.js';

/** Receives each atom that flips, once. */
export type ReportFlip = (atomId: number, isSet: boolean) => void;

/**
 * The atoms over one property. Given the property's old and new value it finds those whose truth differs, without looking at the
 * others: equality and IN by a hash of the value, orderings by the thresholds between. What looks into a value (CONTAINS, REGEX, MODULO,
 * PERCENTAGE_SPLIT, versions) is evaluated for each atom.
 */
export class ValueIndex {
  readonly #atoms = new Map<number, IndexedAtom>();
  readonly #isSet = new Set<number>();
  readonly #evaluated = new Map<number, Matcher>();
  readonly #membership = new MembershipIndex();
  readonly #strings = new TypedIndex<string>({ read: (operand) => operand, compare: compareText });
  readonly #integers = new TypedIndex<bigint>({ read: readPythonInt, compare: compareScalars });
  readonly #floats = new TypedIndex<number>({ read: readPythonFloat, compare: compareScalars });
  readonly #booleans = new TypedIndex<boolean>({
    read: (operand) => readOperand('boolean', operand) === true,
    compare: compareScalars,
  });

  get size(): number {
    return this.#atoms.size;
  }

  /** `list` holds the values of a stored operand list. Throws as `compileMatcher` does. */
  add(atomId: number, definition: AtomDefinition, list?: ReadonlySet<string>): void {
    const { operator, operand } = definition;
    const members = operator === 'IN' ? (list ?? readIn(operand)) : membersOf(definition);
    if (operator === 'IS_SET') this.#isSet.add(atomId);
    else if (members !== undefined) this.#membership.add(atomId, members);
    else if (isCompared(definition)) for (const index of this.#typed()) index.add(atomId, definition.operator, operand);
    else this.#evaluated.set(atomId, compileAtomMatcher(definition, list));
    this.#atoms.set(atomId, { definition, list, matcher: this.#evaluated.get(atomId) });
  }

  remove(atomId: number): void {
    const atom = this.#atoms.get(atomId);
    if (atom === undefined) return;
    const { definition } = atom;
    this.#atoms.delete(atomId);
    this.#isSet.delete(atomId);
    this.#evaluated.delete(atomId);
    this.#membership.remove(atomId);
    if (isCompared(definition))
      for (const index of this.#typed()) index.remove(atomId, definition.operator, definition.operand);
  }

  /** The truth of one atom for a value (undefined = missing); false for an atom that is not here. */
  isTrue(atomId: number, value: ConditionValue | undefined): boolean {
    const atom = this.#atoms.get(atomId);
    if (atom === undefined || value === undefined) return false;
    atom.matcher ??= compileAtomMatcher(atom.definition, atom.list);
    return atom.matcher(value);
  }

  /** Reports every atom whose truth differs between two values (undefined = missing, which is false for all). */
  flips(before: ConditionValue | undefined, after: ConditionValue | undefined, report: ReportFlip): void {
    // Unlike ===, tells -0.0 from 0.0: they are equal, but their texts differ.
    if (Object.is(before, after)) return;
    if ((before === undefined) !== (after === undefined))
      for (const atomId of this.#isSet) report(atomId, after !== undefined);
    this.#membership.flips(before, after, report);
    this.#flipCompared(before, after, report);
    for (const [atomId, matcher] of this.#evaluated) {
      const isSet = after !== undefined && matcher(after);
      if (isSet !== (before !== undefined && matcher(before))) report(atomId, isSet);
    }
  }

  #flipCompared(before: ConditionValue | undefined, after: ConditionValue | undefined, report: ReportFlip): void {
    if (typeof before === 'string' && typeof after === 'string') this.#strings.flips(before, after, report);
    else if (typeof before === 'bigint' && typeof after === 'bigint') this.#integers.flips(before, after, report);
    else if (typeof before === 'number' && typeof after === 'number') this.#floats.flips(before, after, report);
    else if (typeof before === 'boolean' && typeof after === 'boolean') this.#booleans.flips(before, after, report);
    else this.#flipAcrossTypes(before, after, report);
  }

  #flipAcrossTypes(before: ConditionValue | undefined, after: ConditionValue | undefined, report: ReportFlip): void {
    const held = new Set<number>();
    this.#holding(before, (atomId) => held.add(atomId));
    this.#holding(after, (atomId) => {
      if (!held.delete(atomId)) report(atomId, true);
    });
    for (const atomId of held) report(atomId, false);
  }

  #holding(value: ConditionValue | undefined, report: (atomId: number) => void): void {
    if (typeof value === 'string') this.#strings.holding(value, report);
    else if (typeof value === 'bigint') this.#integers.holding(value, report);
    else if (typeof value === 'number') this.#floats.holding(value, report);
    else if (typeof value === 'boolean') this.#booleans.holding(value, report);
  }

  #typed() {
    return [this.#strings, this.#integers, this.#floats, this.#booleans];
  }
}

interface IndexedAtom {
  readonly definition: AtomDefinition;
  readonly list: ReadonlySet<string> | undefined;
  matcher: Matcher | undefined;
}

type ComparedAtom = AtomDefinition & { readonly dialect: 'flagsmith'; readonly operator: Comparison };

/** Whether the atom compares its operand, read as the value's type, with the whole value. */
function isCompared(definition: AtomDefinition): definition is ComparedAtom {
  return (
    COMPARISONS.some((comparison) => comparison === definition.operator) &&
    semverOperand(definition.operand) === undefined
  );
}
