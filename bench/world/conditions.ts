import type { Condition } from '../../src/core/segments.js';

export function condition(property: string, operator: string, value: string): Condition {
  return { property, operator, value };
}
