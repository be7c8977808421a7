import type { SegmentDefinition } from '../segment-definition.js';

/** A segment of the demo, and what it shows. */
export interface DemoSegment {
  readonly key: string;
  readonly shows: string;
  readonly definition: SegmentDefinition;
}

/** The name of the stored list that `lottery` refers to. */
export const LIST_NAME = 'lottery-winners';

/** Every operator and every kind of rule at least once; later ones refer to earlier ones. */
export const DEMO_SEGMENTS: readonly DemoSegment[] = [
  {
    key: 'growth',
    shows: 'EQUAL, GREATER_THAN, LESS_THAN_INCLUSIVE over text and numbers',
    definition: all([
      { property: 'plan', operator: 'EQUAL', value: 'pro' },
      { property: 'age', operator: 'GREATER_THAN', value: '25' },
      { property: 'spend', operator: 'LESS_THAN_INCLUSIVE', value: '900.5' },
    ]),
  },
  {
    key: 'european',
    shows: 'IN, with NOT_EQUAL',
    definition: all([
      { property: 'country', operator: 'IN', value: 'DE,FR,ES,NL' },
      { property: 'plan', operator: 'NOT_EQUAL', value: 'free' },
    ]),
  },
  {
    key: 'new-app',
    shows: 'semantic versions: 3.2.0-beta.1 comes before 3.2.0',
    definition: all([{ property: 'app_version', operator: 'GREATER_THAN_INCLUSIVE', value: '3.2.0:semver' }]),
  },
  {
    key: 'phones',
    shows: 'ANY over REGEX and CONTAINS',
    definition: {
      rules: [
        {
          type: 'ANY',
          conditions: [
            { property: 'device', operator: 'REGEX', value: 'iPhone \\d+' },
            { property: 'device', operator: 'CONTAINS', value: 'Galaxy' },
          ],
        },
      ],
    },
  },
  {
    key: 'never-asked',
    shows: 'NONE within ALL, IS_SET, IS_NOT_SET, NOT_CONTAINS, LESS_THAN',
    definition: {
      rules: [
        {
          type: 'ALL',
          conditions: [
            { property: 'beta', operator: 'IS_NOT_SET' },
            { property: 'email', operator: 'NOT_CONTAINS', value: '@rollcall.example' },
            { property: 'signed_up', operator: 'LESS_THAN', value: '2024-01-01' },
          ],
          rules: [
            {
              type: 'NONE',
              conditions: [{ property: 'referrer', operator: 'IS_SET' }],
              rules: [{ type: 'ANY', conditions: [{ property: 'country', operator: 'EQUAL', value: 'JP' }] }],
            },
          ],
        },
      ],
    },
  },
  {
    key: 'rollout',
    shows: 'PERCENTAGE_SPLIT: a stable fifth of everybody',
    definition: all([{ property: '$.identity.key', operator: 'PERCENTAGE_SPLIT', value: '20' }]),
  },
  {
    key: 'odd-sessions',
    shows: 'MODULO, and a JSONPath over the identity',
    definition: all([
      { property: 'sessions', operator: 'MODULO', value: '2|1' },
      { property: '$.identity.identifier', operator: 'REGEX', value: '(ada|grace)-' },
      { property: '$.identity.traits.beta', operator: 'EQUAL', value: 'true' },
    ]),
  },
  {
    key: 'lottery',
    shows: 'IN a stored list of 10,000 identifiers, one atom',
    definition: all([{ property: '$.identity.identifier', operator: 'IN', list: LIST_NAME }]),
  },
  {
    key: 'european-growth',
    shows: 'a parent: only members of `european` can be members',
    definition: { ...all([{ property: '', operator: 'in_segment', value: 'growth' }]), parent: 'european' },
  },
  {
    key: 'launch',
    shows: 'segments made of segments, and of what they are not',
    definition: {
      rules: [
        {
          type: 'ALL',
          conditions: [
            { property: '', operator: 'in_segment', value: 'new-app' },
            { property: '', operator: 'in_segment', value: 'phones' },
            { property: '', operator: 'not_in_segment', value: 'growth' },
          ],
        },
      ],
    },
  },
  {
    key: 'paused',
    shows: 'a disabled segment: it has no members',
    definition: { ...all([{ property: 'plan', operator: 'IS_SET' }]), enabled: false },
  },
];

function all(conditions: NonNullable<SegmentDefinition['rules'][number]['conditions']>): SegmentDefinition {
  return { rules: [{ type: 'ALL', conditions }] };
}
