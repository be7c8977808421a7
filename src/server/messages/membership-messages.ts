import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ErrorReason as ReasonMessage } from '../../gen/rollcall/v1/error_reason_pb.js';
import type {
  CountResponseSchema,
  ExplainNodeSchema,
  SegmentMembershipSchema,
} from '../../gen/rollcall/v1/membership_service_pb.js';
import type { CompiledNode } from '../../core/compile.js';
import type { CheckResult } from '../../query/check-plan.js';
import type { ServedDefinition } from '../../query/environment-index.js';
import type { ExplainedNode } from '../../query/explain.js';
import type { Count } from '../../query/select.js';
import { conditionMessage, ruleTypeMessage } from './segment-messages.js';

/** What every answer says of itself. */
export function stateOf({
  revision,
  asOf,
  served,
}: {
  readonly revision: number;
  readonly asOf: Date;
  readonly served: Pick<ServedDefinition, 'etag' | 'isPending'>;
}) {
  return { revision: BigInt(revision), asOf: timestampFromDate(asOf), etag: served.etag, pending: served.isPending };
}

/** A count as it goes to callers. */
export function countMessage(counted: Count): MessageInitShape<typeof CountResponseSchema> {
  return { count: BigInt(counted.count), ...stateOf(counted) };
}

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
