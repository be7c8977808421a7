import type { MessageInitShape } from '@bufbuild/protobuf';
import { LosslessNumber } from 'lossless-json';
import { z } from 'zod';
import type { RuleSchema } from '../gen/rollcall/v1/segment_pb.js';
import { RuleType } from '../gen/rollcall/v1/segment_pb.js';
import { CommandError } from './command-error.js';
import { DIALECT_NAMES, type DialectName, hasJsonOperands, operandJson, operandJsonText } from './dialects.js';
import type { Json } from './json.js';
import { jsonText, parseLosslessJson } from './json.js';

/** A segment as people write it, after Flagsmith's documents. */
export interface SegmentDefinition {
  readonly dialect?: DialectName | undefined;
  readonly key?: string | undefined;
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly rules: readonly RuleDefinition[];
  readonly parent?: string | undefined;
  readonly enabled?: boolean | undefined;
}

export interface RuleDefinition {
  readonly type: keyof typeof RULE_TYPES;
  readonly conditions?: readonly ConditionDefinition[] | undefined;
  readonly rules?: readonly RuleDefinition[] | undefined;
}

export interface ConditionDefinition {
  /** Blank for PERCENTAGE_SPLIT over the identity's key and for segment references. */
  readonly property?: string | null | undefined;
  readonly operator: string;
  /** At most one of `value` and `list`, the name of a stored list. */
  readonly value?: string | undefined;
  readonly list?: string | undefined;
}

const RULE_TYPES = { ALL: RuleType.ALL, ANY: RuleType.ANY, NONE: RuleType.NONE } as const;

/** An operand is text; numbers keep their digits, lists become their JSON text. */
const OPERAND = z
  .union([
    z.string(),
    z.boolean(),
    z.null(),
    z.instanceof(LosslessNumber),
    z.array(z.union([z.string(), z.instanceof(LosslessNumber)])),
  ])
  .transform(operandText);

/** In a dialect whose operands are JSON, the value is any, but for a reference to a segment. */
function conditionSchema(dialect: DialectName): z.ZodType<ConditionDefinition> {
  const condition = { property: z.string().nullish(), operator: z.string(), list: z.string().optional() };
  const withText = z.strictObject({ ...condition, value: OPERAND.optional() });
  const withJson = z
    .strictObject({ ...condition, value: z.unknown().optional() })
    .refine(({ operator }) => hasJsonOperands(dialect, operator))
    .transform(({ value, ...rest }) => ({ ...rest, value: value === undefined ? undefined : operandJsonText(value) }));
  const either: z.ZodType<ConditionDefinition> = dialect === 'flagsmith' ? withText : z.union([withJson, withText]);
  return either.refine(
    ({ value, list }) => value === undefined || list === undefined,
    'takes `value` or `list`, not both',
  );
}

function ruleSchema(dialect: DialectName): z.ZodType<RuleDefinition> {
  const condition = conditionSchema(dialect);
  const rule: z.ZodType<RuleDefinition> = z.strictObject({
    type: z.enum(['ALL', 'ANY', 'NONE']),
    conditions: z.array(condition).optional(),
    rules: z.array(z.lazy(() => rule)).optional(),
  });
  return rule;
}

/** What `segment get` writes beside the definition; not looked at. */
const READ_ONLY = ['project', 'etag', 'createdAt', 'updatedAt', 'disabledReason'];

function definitionSchema(dialect: DialectName): z.ZodType<SegmentDefinition> {
  return z.strictObject({
    dialect: z.enum(DIALECT_NAMES).optional(),
    key: z.string().optional(),
    name: z.string().optional(),
    description: z.string().optional(),
    rules: z.array(ruleSchema(dialect)),
    parent: z.string().optional(),
    enabled: z.boolean().optional(),
    ...Object.fromEntries(READ_ONLY.map((name) => [name, z.unknown().optional()])),
  });
}

const DIALECT = z.looseObject({ dialect: z.enum(DIALECT_NAMES) });

/** Reads a definition, or only its list of rules. Throws USAGE with all that is wrong; `source` says where the text came from. */
export function parseDefinition(text: string, source: string): SegmentDefinition {
  const value = parseJson(text, source);
  const dialect = DIALECT.safeParse(value).data?.dialect ?? 'flagsmith';
  const parsed = definitionSchema(dialect).safeParse(Array.isArray(value) ? { rules: value } : value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the definition'}: ${issue.message}`);
  throw new CommandError('USAGE', [`${source} is not a segment definition:`, ...problems].join('\n  '));
}

/** Reads conditions written as `property OPERATOR value`, all of which a member meets. Throws USAGE. */
export function definitionWhere(conditions: readonly string[]): SegmentDefinition {
  return { rules: [{ type: 'ALL', conditions: conditions.map(parseCondition) }] };
}

/** The rules as messages. */
export function ruleMessages(rules: readonly RuleDefinition[]): MessageInitShape<typeof RuleSchema>[] {
  return rules.map((rule) => ({
    type: RULE_TYPES[rule.type],
    conditions: (rule.conditions ?? []).map(conditionMessage),
    rules: ruleMessages(rule.rules ?? []),
  }));
}

function conditionMessage({ property, operator, value, list }: ConditionDefinition) {
  const operand =
    list === undefined ? ({ case: 'value', value: value ?? '' } as const) : ({ case: 'list', value: list } as const);
  return { property: property ?? '', operator, operand };
}

/** Longer names first, so that GREATER_THAN does not hide GREATER_THAN_INCLUSIVE. */
const OPERATOR_NAMES = [
  'GREATER_THAN_INCLUSIVE',
  'LESS_THAN_INCLUSIVE',
  'PERCENTAGE_SPLIT',
  'NOT_CONTAINS',
  'GREATER_THAN',
  'IS_NOT_SET',
  'LESS_THAN',
  'NOT_EQUAL',
  'CONTAINS',
  'IS_SET',
  'MODULO',
  'EQUAL',
  'REGEX',
  'IN',
  'in_segment',
  'not_in_segment',
];

/** The property may hold spaces; the value is what follows one space after the operator, as it is. */
const KNOWN_CONDITION = new RegExp(`^(?:(.*?)\\s+)??(${OPERATOR_NAMES.join('|')})(?:\\s(.*))?$`, 's');
const OTHER_CONDITION = /^(\S+)\s+(\S+)(?:\s(.*))?$/s;

function parseCondition(text: string): ConditionDefinition {
  const [, property = '', operator, value = ''] = KNOWN_CONDITION.exec(text) ?? OTHER_CONDITION.exec(text) ?? [];
  if (operator !== undefined) return { property, operator, value };
  throw new CommandError('USAGE', `--where takes "property OPERATOR value", not ${JSON.stringify(text)}`);
}

function operandText(value: string | boolean | null | LosslessNumber | (string | LosslessNumber)[]): string {
  if (value === null) return '';
  if (Array.isArray(value)) return jsonText(value);
  return value.toString();
}

function parseJson(text: string, source: string): unknown {
  try {
    return parseLosslessJson(text);
  } catch (error) {
    const said = error instanceof Error ? error.message : 'it cannot be read';
    throw new CommandError('USAGE', `${source} is not JSON: ${said}`, { cause: error });
  }
}

/** A rule of an answer, as it would be written. */
export function ruleJson(rule: RuleAnswer, dialect: DialectName): Json {
  return {
    type: RuleType[rule.type],
    conditions: rule.conditions.map(({ property, operator, operand }) => {
      if (operand.case === undefined) return { property, operator };
      const isJson = operand.case === 'value' && hasJsonOperands(dialect, operator);
      return { property, operator, [operand.case]: isJson ? operandJson(operand.value) : operand.value };
    }),
    rules: rule.rules.map((inner) => ruleJson(inner, dialect)),
  };
}

interface RuleAnswer {
  readonly type: RuleType;
  readonly conditions: readonly {
    readonly property: string;
    readonly operator: string;
    readonly operand: { readonly case: 'value' | 'list'; readonly value: string } | { readonly case: undefined };
  }[];
  readonly rules: readonly RuleAnswer[];
}
