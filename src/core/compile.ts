import type { AtomDefinition } from './atoms.js';
import type { EnvironmentSettings } from './environment-settings.js';
import { RollcallError } from './errors.js';
import { compileAtomMatcher } from './conditions/atom-matcher.js';
import { readIn } from './conditions/in-list.js';
import type { Matcher } from './conditions/matchers.js';
import { OPERATORS, type Operator } from './conditions/operators.js';
import { typedPredicate } from './conditions/typed-conditions.js';
import { and, atom, atomsOf, EVERYONE, NOBODY, not, or, type Predicate, sizeOf } from './predicates.js';
import { constantOf, type EnvironmentView, parseProperty, settingsSeenBy } from './properties/properties.js';
import {
  type Condition,
  conditionsOf,
  type Dialect,
  isReference,
  MAX_CONDITIONS,
  MAX_OPERAND_BYTES,
  MAX_PREDICATE_SIZE,
  MAX_RULE_DEPTH,
  type Rule,
  type SegmentDefinition,
} from './segments.js';

/** A segment, rule or condition with the predicate it became: what Explain walks. Operands of a segment are its parent, then its rules. */
export type CompiledNode =
  | {
      readonly kind: 'segment';
      readonly key: string;
      readonly enabled: boolean;
      readonly predicate: Predicate;
      readonly operands: readonly CompiledNode[];
    }
  | {
      readonly kind: 'rule';
      readonly type: Rule['type'];
      readonly predicate: Predicate;
      readonly operands: readonly CompiledNode[];
    }
  | {
      readonly kind: 'condition';
      readonly condition: Condition;
      readonly predicate: Predicate;
      readonly operands: readonly CompiledNode[];
    };

/** What compiling needs of its surroundings: the environment, whose own properties are constants, and the other segments of the project. */
export interface CompileContext {
  readonly environment: EnvironmentView & EnvironmentSettings;
  /** The definition under a segment's key; undefined where there is none. */
  definitionOf(key: string): SegmentDefinition | undefined;
}

/**
 * Compiles the segment `key` with `definition`. References are inlined, so the predicate has only atoms. Throws
 * UNKNOWN_OPERATOR, UNKNOWN_REFERENCE, SEGMENT_CYCLE (with the chain), INVALID_SEGMENT, INVALID_OPERAND or UNSUPPORTED_PATTERN.
 */
export function compileSegment(key: string, definition: SegmentDefinition, context: CompileContext): CompiledNode {
  const compiled = new Compiler(context).segment(key, definition, []);
  if (sizeOf(compiled.predicate) <= MAX_PREDICATE_SIZE) return compiled;
  throw new RollcallError('INVALID_SEGMENT', 'with the segments it refers to put in, the segment becomes too large', {
    metadata: { segment: key },
  });
}

/** The atoms of a compiled segment with all its rules and conditions, by key: at times more than its predicate has, which is simplified. */
export function atomsOfTree(root: CompiledNode): Map<string, AtomDefinition> {
  const atoms = new Map<string, AtomDefinition>();
  const seen = new Set<CompiledNode>();
  const visit = (node: CompiledNode): void => {
    if (seen.has(node)) return;
    seen.add(node);
    for (const [key, definition] of atomsOf(node.predicate)) atoms.set(key, definition);
    node.operands.forEach(visit);
  };
  visit(root);
  return atoms;
}

class Compiler {
  readonly #context: CompileContext;
  readonly #done = new Map<string, CompiledNode>();

  constructor(context: CompileContext) {
    this.#context = context;
  }

  segment(key: string, definition: SegmentDefinition, chain: readonly string[]): CompiledNode {
    if (definition.disabledReason !== undefined)
      return { kind: 'segment', key, enabled: false, predicate: NOBODY, operands: [] };
    checkSize(key, definition.rules);
    const scope: Scope = { key, dialect: definition.dialect, chain: [...chain, key] };
    const rules = definition.rules.map((rule) => this.#rule(rule, scope));
    const parent = definition.parent === '' ? [] : [this.#reference(definition.parent, scope.chain)];
    const operands = [...parent, ...rules];
    const isAnyone = definition.enabled && (definition.rules.length > 0 || definition.dialect !== 'flagsmith');
    const predicate = isAnyone ? and(operands.map((operand) => operand.predicate)) : NOBODY;
    return { kind: 'segment', key, enabled: definition.enabled, predicate, operands };
  }

  #reference(key: string, chain: readonly string[]): CompiledNode {
    if (chain.includes(key)) {
      const cycle = [...chain.slice(chain.indexOf(key)), key].join(' -> ');
      throw new RollcallError('SEGMENT_CYCLE', `segments refer to each other in a circle: ${cycle}`, {
        metadata: { chain: cycle },
      });
    }
    const known = this.#done.get(key);
    if (known !== undefined) return known;
    const definition = this.#context.definitionOf(key);
    if (definition === undefined) {
      throw new RollcallError('UNKNOWN_REFERENCE', `the segment '${key}' that is referred to does not exist`, {
        metadata: { reference: key },
      });
    }
    const node = this.segment(key, definition, chain);
    this.#done.set(key, node);
    return node;
  }

  #rule(rule: Rule, scope: Scope): CompiledNode {
    const conditions = rule.conditions.map((condition) => this.#condition(condition, scope));
    const rules = rule.rules.map((inner) => this.#rule(inner, scope));
    const groups = [conditions, rules].map((group) =>
      combineGroup(
        rule.type,
        group.map((node) => node.predicate),
      ),
    );
    return { kind: 'rule', type: rule.type, predicate: and(groups), operands: [...conditions, ...rules] };
  }

  #condition(condition: Condition, { key, dialect, chain }: Scope): CompiledNode {
    switch (condition.operator) {
      case 'in_segment': {
        const referred = this.#reference(condition.value, chain);
        return { kind: 'condition', condition, predicate: referred.predicate, operands: [referred] };
      }
      case 'not_in_segment': {
        const referred = this.#reference(condition.value, chain);
        return { kind: 'condition', condition, predicate: not(referred.predicate), operands: [referred] };
      }
      default: {
        const predicate = conditionPredicate(key, dialect, condition, (atom) => this.#test(atom, condition));
        return { kind: 'condition', condition, predicate, operands: [] };
      }
    }
  }

  /**
   * The predicate of one operator over one property. Where the property is constant but for a trait that has its very text as a
   * name (which wins), the constant is folded and only that trait is left to atoms.
   */
  #test(definition: AtomDefinition, condition: Condition): Predicate {
    const { environment } = this.#context;
    const property = parseProperty(definition.property, environment, definition.operator, definition.dialect);
    if (property.kind === 'trait' || property.kind === 'trait-json')
      return atom({ ...definition, kind: 'trait', property: property.key });
    const constant = constantOf(property);
    if (constant === undefined) {
      const settings = settingsSeenBy(property, environment);
      return atom(settings === undefined ? definition : { ...definition, settings });
    }
    if (definition.list !== '') {
      throw new RollcallError(
        'INVALID_OPERAND',
        'a property of the environment cannot be compared with a stored list',
        { metadata: { property: condition.property } },
      );
    }
    const literal: AtomDefinition = { ...definition, kind: 'trait' };
    const isLiteralSet = atom({ ...isSetAtom(definition.property), kind: 'trait' });
    const isTrue = constant.value !== undefined && matcherOf(definition, condition)(constant.value);
    return isTrue ? or([atom(literal), not(isLiteralSet)]) : atom(literal);
  }
}

/** The segment whose rules are compiled, and the segments that led to it, itself the last. */
interface Scope {
  readonly key: string;
  readonly dialect: Dialect;
  readonly chain: readonly string[];
}

/** A condition that is no reference, put together from the predicates that `test` makes of atoms. */
function conditionPredicate(
  segmentKey: string,
  dialect: Dialect,
  condition: Condition,
  test: (atom: AtomDefinition) => Predicate,
): Predicate {
  const isSet = () => test(isSetAtom(condition.property));
  if (dialect !== 'flagsmith') {
    const subject = { kind: 'path', property: condition.property, list: '', segmentKey: '' } as const;
    return typedPredicate(dialect, condition, { test: (tested) => test({ ...subject, ...tested }), isSet });
  }
  if (condition.operator === 'IS_NOT_SET') return not(isSet());
  return test(atomOf(segmentKey, condition, operatorOf(condition)));
}

function isSetAtom(property: string): AtomDefinition {
  const operator = 'IS_SET';
  return { dialect: 'flagsmith', kind: 'path', property, operator, operand: '', list: '', segmentKey: '' };
}

function combineGroup(type: Rule['type'], predicates: readonly Predicate[]): Predicate {
  if (predicates.length === 0) return EVERYONE;
  switch (type) {
    case 'ALL':
      return and(predicates);
    case 'ANY':
      return or(predicates);
    case 'NONE':
      return not(or(predicates));
  }
}

function operatorOf(condition: Condition): Operator {
  const operator = OPERATORS.find((known) => known === condition.operator);
  if (operator === undefined) {
    throw new RollcallError('UNKNOWN_OPERATOR', `the operator '${condition.operator.slice(0, 100)}' is not known`, {
      metadata: { operator: condition.operator.slice(0, 100), property: condition.property },
    });
  }
  return operator;
}

/** The canonical atom of a condition: nothing in it that does not bear on its truth, so that equal tests share one bitmap. */
function atomOf(segmentKey: string, condition: Condition, operator: Operator): AtomDefinition {
  const list = condition.list?.sha256 ?? '';
  if (list !== '' && operator !== 'IN') {
    throw new RollcallError('INVALID_OPERAND', 'only IN takes a stored list as its operand', {
      metadata: { operator, property: condition.property },
    });
  }
  return {
    dialect: 'flagsmith',
    kind: 'path',
    property: condition.property,
    operator,
    operand: list === '' ? canonicalOperand(operator, condition.value) : '',
    list,
    segmentKey: operator === 'PERCENTAGE_SPLIT' ? segmentKey : '',
  };
}

function canonicalOperand(operator: Operator, value: string): string {
  if (operator === 'IS_SET') return '';
  if (operator === 'IN') return JSON.stringify([...readIn(value)].sort());
  return value;
}

function checkSize(key: string, rules: readonly Rule[]): void {
  const refuse = (message: string): never => {
    throw new RollcallError('INVALID_SEGMENT', message, { metadata: { segment: key } });
  };
  let conditions = 0;
  const visit = (rule: Rule, depth: number): void => {
    if (depth > MAX_RULE_DEPTH) refuse(`rules are nested more than ${MAX_RULE_DEPTH} levels deep`);
    conditions += rule.conditions.length;
    if (conditions > MAX_CONDITIONS) refuse(`there are more than ${MAX_CONDITIONS} conditions`);
    for (const condition of rule.conditions) {
      if (Buffer.byteLength(condition.value) > MAX_OPERAND_BYTES)
        refuse(`an operand is longer than ${MAX_OPERAND_BYTES} bytes; store it as a list`);
    }
    for (const inner of rule.rules) visit(inner, depth + 1);
  };
  for (const rule of rules) visit(rule, 1);
}

/** Compiles as `compileSegment` and also reads every operand of the segment's own conditions: what must be refused when a segment is written. */
export function checkSegment(key: string, definition: SegmentDefinition, context: CompileContext): CompiledNode {
  const compiled = compileSegment(key, definition, context);
  if (definition.disabledReason !== undefined) return compiled;
  for (const condition of conditionsOf(definition.rules)) {
    if (isReference(condition.operator)) continue;
    conditionPredicate(key, definition.dialect, condition, (tested) => {
      if (tested.list === '') matcherOf(tested, condition);
      return atom(tested);
    });
  }
  return compiled;
}

/** Reads the operand of a condition's atom; what is wrong with it names the condition. */
function matcherOf(tested: AtomDefinition, { property, operator, value }: Condition): Matcher {
  try {
    return compileAtomMatcher(tested);
  } catch (error) {
    if (!(error instanceof RollcallError)) throw error;
    const operand = error.reason === 'UNSUPPORTED_PATTERN' ? { pattern: value } : { operand: value };
    throw new RollcallError(error.reason, error.message, {
      metadata: { ...error.metadata, operator, ...operand, property },
      cause: error.cause,
    });
  }
}
