import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { EnvironmentView, IdentityView } from '../../src/core/properties/properties.js';
import type { Rule, SegmentDefinition } from '../../src/core/segments.js';
import { formatTrait } from '../../src/core/trait-text.js';

/** One rule tree with one identity, and whether the reference engine takes that identity for a member. */
export interface RuleCase {
  readonly name: string;
  readonly environment: EnvironmentView;
  readonly identity: IdentityView;
  readonly segmentKey: string;
  readonly definition: SegmentDefinition;
  readonly expected: boolean;
}

const condition = z.object({ operator: z.string(), property: z.string().default(''), value: z.string().default('') });
const rule: z.ZodType<Rule> = z.lazy(() =>
  z.object({
    type: z.enum(['ALL', 'ANY', 'NONE']),
    conditions: z.array(condition).default([]),
    rules: z.array(rule).default([]),
  }),
);
const trait = z.union([z.string(), z.boolean(), z.number()]);
const file = z.object({
  cases: z.array(
    z.object({
      case: z.string(),
      segment: z.object({ key: z.string(), rules: z.array(rule) }),
      context: z.object({
        environment: z.object({ key: z.string(), name: z.string() }),
        identity: z.object({
          identifier: z.string(),
          key: z.string(),
          traits: z.record(z.string(), trait).default({}),
        }),
      }),
      expected: z.boolean(),
    }),
  ),
});

export function readRuleCases(): RuleCase[] {
  const parsed: unknown = JSON.parse(readFileSync(new URL('rules.json', import.meta.url), 'utf8'));
  return file.parse(parsed).cases.map(({ case: name, segment, context: { environment, identity }, expected }) => ({
    name,
    environment,
    identity: {
      id: 1,
      identifier: identity.identifier,
      key: identity.key,
      traits: new Map(Object.entries(identity.traits).map(([key, value]) => [key, textOf(value)])),
    },
    segmentKey: segment.key,
    definition: { dialect: 'flagsmith', enabled: true, parent: '', rules: segment.rules },
    expected,
  }));
}

/** The file's whole numbers are integers. */
function textOf(value: string | boolean | number): string {
  return formatTrait(typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value);
}
