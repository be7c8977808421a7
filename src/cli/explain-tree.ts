import type { ExplainNode } from '../gen/rollcall/v1/membership_service_pb.js';
import { RuleType } from '../gen/rollcall/v1/segment_pb.js';
import { formatCount } from './format.js';
import type { Json } from './json.js';
import { dim, mark } from './style.js';
import { pad, printable } from './table.js';

/** The tree of an explanation, one line for each node: its truth for the identity, what it is, for how many it is true. */
export function formatExplainTree(root: ExplainNode): string {
  const lines = treeLines(root, '', '');
  const width = Math.max(...lines.map(({ length }) => length));
  return lines
    .map(
      ({ text, length, count }) =>
        `${text}${' '.repeat(width - length + 2)}${dim(pad(formatCount(count), 9, 'right'))}`,
    )
    .join('\n');
}

export function explainJson(node: ExplainNode): Json {
  return {
    label: node.label,
    ...kindJson(node),
    truth: node.truth,
    count: node.count,
    children: node.children.map(explainJson),
  };
}

interface TreeLine {
  readonly text: string;
  /** Characters without colours. */
  readonly length: number;
  readonly count: bigint;
}

function treeLines(node: ExplainNode, prefix: string, below: string): TreeLine[] {
  const label = printable(node.label);
  const line = {
    text: `${dim(prefix)}${mark(node.truth)} ${label}`,
    length: prefix.length + 2 + [...label].length,
    count: node.count,
  };
  const children = node.children.flatMap((child, index) => {
    const isLast = index === node.children.length - 1;
    return treeLines(child, `${below}${isLast ? '└─ ' : '├─ '}`, `${below}${isLast ? '   ' : '│  '}`);
  });
  return [line, ...children];
}

function kindJson({ node }: ExplainNode): { readonly [key: string]: Json } {
  switch (node.case) {
    case 'segment':
      return { segment: node.value };
    case 'rule':
      return { rule: RuleType[node.value] };
    case 'condition': {
      const { property, operator, operand } = node.value;
      return {
        condition: { property, operator, ...(operand.case === undefined ? {} : { [operand.case]: operand.value }) },
      };
    }
    case undefined:
      return {};
  }
}
