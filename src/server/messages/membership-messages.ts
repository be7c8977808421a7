import type { MessageInitShape } from '@bufbuild/protobuf';
import { ErrorReason as ReasonMessage } from '../../gen/rollcall/v1/error_reason_pb.js';
import type { ExplainNodeSchema, SegmentMembershipSchema } from '../../gen/rollcall/v1/membership_service_pb.js';
import type { CompiledNode } from '../../core/compile.js';
import type { CheckResult } from '../../query/check.js';
import type { ExplainedNode } from '../../query/explain.js';
import { conditionMessage, ruleTypeMessage } from './segment-messages.js';

/** Whether an identity is in one segment, or why that cannot be said, as it goes to callers. */
export function checkResultMessage(result: CheckResult): MessageInitShape<typeof SegmentMembershipSchema> {
  if ('error' in result) {
    const { reason, message, metadata } = result.error;
    return {
      segment: result.segment,
      outcome: { case: 'error', value: { reason: ReasonMessage[reason], message, metadata: { ...metadata } } },
    };
  }
  const { segment, served, isMember } = result;
  return { segment, outcome: { case: 'member', value: isMember }, etag: served.etag, pending: served.isPending };
}

/** A node of an explanation as it goes to callers. */
export function explainedNodeMessage({
  node,
  isTrue,
  count,
  operands,
}: ExplainedNode): MessageInitShape<typeof ExplainNodeSchema> {
  return {
    label: labelOf(node),
    node: contentOf(node),
    truth: isTrue,
    count: BigInt(count),
    children: operands.map(explainedNodeMessage),
  };
}

function contentOf(node: CompiledNode): NonNullable<MessageInitShape<typeof ExplainNodeSchema>['node']> {
  switch (node.kind) {
    case 'segment':
      return { case: 'segment', value: node.key };
    case 'rule':
      return { case: 'rule', value: ruleTypeMessage(node.type) };
    case 'condition':
      return { case: 'condition', value: conditionMessage(node.condition) };
  }
}

function labelOf(node: CompiledNode): string {
  switch (node.kind) {
    case 'segment':
      return `segment ${node.key === '' ? '(draft)' : node.key}${node.enabled ? '' : ' (disabled)'}`;
    case 'rule':
      return node.type;
    case 'condition': {
      const { property, operator, value, list } = node.condition;
      return [property, operator, list === undefined ? value : `list ${list.name}`]
        .filter((part) => part !== '')
        .join(' ');
    }
  }
}
