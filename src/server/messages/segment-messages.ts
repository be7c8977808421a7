import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { RollcallError } from '../../core/errors.js';
import type { Condition, Rule, RuleType, SegmentDefinition } from '../../core/segments.js';
import {
  type Condition as ConditionMessage,
  type ConditionSchema,
  Dialect,
  type Rule as RuleMessage,
  type RuleSchema,
  RuleType as RuleTypeMessage,
  type SegmentSchema,
} from '../../gen/rollcall/v1/segment_pb.js';
import type { StoredSegment } from '../../storage/segments.js';

/** Rules as the core knows them. A list is known by its name alone until the segment is written. */
export function rulesOf(messages: readonly RuleMessage[]): Rule[] {
  return messages.map(({ type, conditions, rules }) => ({
    type: ruleTypeOf(type),
    conditions: conditions.map(conditionOf),
    rules: rulesOf(rules),
  }));
}

/** The dialect of a message; unspecified is the default one. */
export function dialectOf(dialect: Dialect): SegmentDefinition['dialect'] {
  switch (dialect) {
    case Dialect.UNSPECIFIED:
    case Dialect.FLAGSMITH:
      return 'flagsmith';
    case Dialect.LITESTAR:
      return 'litestar';
    case Dialect.MOZHNO:
      return 'mozhno';
    default:
      throw new RollcallError('INVALID_SEGMENT', 'the dialect is not known', { metadata: { field: 'dialect' } });
  }
}

function conditionOf({ property, operator, operand }: ConditionMessage): Condition {
  const value = operand.case === 'value' ? operand.value : '';
  return operand.case === 'list'
    ? { property, operator, value, list: { name: operand.value, sha256: '' } }
    : { property, operator, value };
}

function ruleTypeOf(type: RuleTypeMessage): RuleType {
  switch (type) {
    case RuleTypeMessage.ALL:
      return 'ALL';
    case RuleTypeMessage.ANY:
      return 'ANY';
    case RuleTypeMessage.NONE:
      return 'NONE';
    default:
      throw new RollcallError('INVALID_SEGMENT', 'a rule is of type ALL, ANY or NONE', { metadata: { field: 'type' } });
  }
}

const RULE_TYPES = { ALL: RuleTypeMessage.ALL, ANY: RuleTypeMessage.ANY, NONE: RuleTypeMessage.NONE } satisfies Record<
  RuleType,
  RuleTypeMessage
>;

export function ruleTypeMessage(type: RuleType): RuleTypeMessage {
  return RULE_TYPES[type];
}

export function conditionMessage({
  property,
  operator,
  value,
  list,
}: Condition): MessageInitShape<typeof ConditionSchema> {
  return {
    property,
    operator,
    operand: list === undefined ? { case: 'value', value } : { case: 'list', value: list.name },
  };
}

function ruleMessage({ type, conditions, rules }: Rule): MessageInitShape<typeof RuleSchema> {
  return { type: ruleTypeMessage(type), conditions: conditions.map(conditionMessage), rules: rules.map(ruleMessage) };
}

const DIALECTS = {
  flagsmith: Dialect.FLAGSMITH,
  litestar: Dialect.LITESTAR,
  mozhno: Dialect.MOZHNO,
} satisfies Record<SegmentDefinition['dialect'], Dialect>;

/** A stored segment as it goes to callers. */
export function segmentMessage(segment: StoredSegment): MessageInitShape<typeof SegmentSchema> {
  const { project, key, name, description, etag, definition, createdAt, updatedAt } = segment;
  return {
    project,
    key,
    name,
    description,
    etag,
    parent: definition.parent,
    enabled: definition.enabled,
    dialect: DIALECTS[definition.dialect],
    disabledReason: definition.disabledReason ?? '',
    rules: definition.rules.map(ruleMessage),
    createdAt: timestampFromDate(createdAt),
    updatedAt: timestampFromDate(updatedAt),
  };
}
