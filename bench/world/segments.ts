import type { Condition, SegmentDefinition } from '../../src/core/segments.js';
import { condition } from './conditions.js';
import { QUESTION_SEGMENTS } from './questions.js';

/** A segment of the benchmark. */
export interface BenchSegment {
  readonly key: string;
  readonly definition: SegmentDefinition;
}

/** The trait that densities are made with: a number below SCORES, evenly spread. */
export const SCORE = 'score';
export const SCORES = 10_000;

const PLANS = ['free', 'basic', 'pro', 'scale', 'enterprise'].map((plan) => condition('plan', 'EQUAL', plan));

/** The conditions of which each is one atom. */
export const ATOM_CONDITIONS: readonly Condition[] = [
  ...PLANS,
  condition('plan', 'NOT_EQUAL', 'free'),
  ...['US', 'GB', 'DE', 'JP'].map((country) => condition('country', 'EQUAL', country)),
  condition('country', 'IN', 'DE,FR,ES,NL'),
  ...['25', '40', '64'].map((age) => condition('age', 'GREATER_THAN', age)),
  condition('age', 'LESS_THAN', '21'),
  condition('age', 'MODULO', '2|1'),
  ...[10, 100, 1_000, 6_000].map((score) => condition(SCORE, 'LESS_THAN', String(score))),
  ...['10', '100.5'].map((spend) => condition('spend', 'GREATER_THAN', spend)),
  condition('spend', 'LESS_THAN_INCLUSIVE', '900.5'),
  condition('spend', 'EQUAL', '0.5'),
  ...['100', '500'].map((sessions) => condition('sessions', 'GREATER_THAN', sessions)),
  condition('sessions', 'LESS_THAN', '10'),
  condition('sessions', 'MODULO', '2|1'),
  condition('app_version', 'GREATER_THAN_INCLUSIVE', '3.2.0:semver'),
  condition('app_version', 'EQUAL', '3.2.1'),
  condition('app_version', 'CONTAINS', 'beta'),
  condition('device', 'REGEX', 'iPhone \\d+'),
  condition('device', 'CONTAINS', 'Galaxy'),
  condition('device', 'EQUAL', 'Pixel 8'),
  condition('email', 'CONTAINS', '@gmail.'),
  condition('email', 'NOT_CONTAINS', '@rollcall.example'),
  condition('signed_up', 'LESS_THAN', '2024-01-01'),
  condition('signed_up', 'GREATER_THAN', '2022-06-30'),
  condition('beta', 'IS_SET', ''),
  condition('beta', 'EQUAL', 'true'),
];

/** Segments of a share of the identities, evenly spread over the ordinals. */
export const DENSITIES: readonly (BenchSegment & { readonly share: number })[] = [0.001, 0.01, 0.1, 0.6, 1].map(
  (share) => ({
    key: `share-${share}`,
    share,
    definition: share === 1 ? all([]) : all([condition(SCORE, 'LESS_THAN', String(share * SCORES))]),
  }),
);

/** Every stored segment; together they have the atoms of ATOM_CONDITIONS, and one for each percentage split. */
export const BENCH_SEGMENTS: readonly BenchSegment[] = [
  { key: 'every-atom', definition: { ...all([]), rules: [{ type: 'ANY', conditions: ATOM_CONDITIONS, rules: [] }] } },
  ...QUESTION_SEGMENTS,
  ...DENSITIES,
];

/** A segment whose members hold all the conditions. */
export function all(conditions: readonly Condition[]): SegmentDefinition {
  return { dialect: 'flagsmith', enabled: true, parent: '', rules: [{ type: 'ALL', conditions, rules: [] }] };
}
