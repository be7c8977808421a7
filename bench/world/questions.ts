import type { Condition, RuleType } from '../../src/core/segments.js';
import { condition } from './conditions.js';
import type { BenchSegment } from './segments.js';

/** A condition, and the same in SQL over the stored traits and over columns of the traits' names. Unknown where the trait is not set. */
interface Asked {
  readonly condition: Condition;
  readonly jsonb: string;
  readonly typed: string;
  /** As containment, which a GIN index of jsonb_path_ops can look up; there is none for orderings, patterns and negations. */
  readonly contained?: string;
}

/** From the most selective combination on; each of them is an atom of the world. */
const ASKED: readonly Asked[] = [
  {
    condition: condition('plan', 'EQUAL', 'pro'),
    jsonb: `traits->>'plan' = 'pro'`,
    typed: `plan = 'pro'`,
    contained: `traits @> '{"plan": "pro"}'`,
  },
  { condition: condition('age', 'GREATER_THAN', '25'), jsonb: `(traits->>'age')::int > 25`, typed: `age > 25` },
  {
    condition: condition('spend', 'LESS_THAN_INCLUSIVE', '900.5'),
    jsonb: `(traits->>'spend')::float8 <= 900.5`,
    typed: `spend <= 900.5`,
  },
  {
    condition: condition('sessions', 'GREATER_THAN', '100'),
    jsonb: `(traits->>'sessions')::int > 100`,
    typed: `sessions > 100`,
  },
  {
    condition: condition('country', 'IN', 'DE,FR,ES,NL'),
    jsonb: `traits->>'country' in ('DE', 'FR', 'ES', 'NL')`,
    typed: `country in ('DE', 'FR', 'ES', 'NL')`,
    contained: `(${['DE', 'FR', 'ES', 'NL'].map((country) => `traits @> '{"country": "${country}"}'`).join(' or ')})`,
  },
  {
    condition: condition('score', 'LESS_THAN', '6000'),
    jsonb: `(traits->>'score')::int < 6000`,
    typed: `score < 6000`,
  },
  {
    condition: condition('signed_up', 'GREATER_THAN', '2022-06-30'),
    jsonb: `traits->>'signed_up' > '2022-06-30'`,
    typed: `signed_up > '2022-06-30'`,
  },
  {
    condition: condition('device', 'CONTAINS', 'Galaxy'),
    jsonb: `traits->>'device' like '%Galaxy%'`,
    typed: `device like '%Galaxy%'`,
  },
  { condition: condition('beta', 'IS_SET', ''), jsonb: `traits ? 'beta'`, typed: `beta is not null` },
  {
    condition: condition('email', 'NOT_CONTAINS', '@rollcall.example'),
    jsonb: `traits->>'email' not like '%@rollcall.example%'`,
    typed: `email not like '%@rollcall.example%'`,
  },
];

const SIZES = [1, 3, 10] as const;
const KINDS = ['ALL', 'ANY', 'NONE', 'SPLIT'] as const;
type Kind = (typeof KINDS)[number];
/** Per cent, in segments with a percentage split: their last condition, among others that all hold. */
const SPLIT = 30;

/** A segment that is counted, and the same question in SQL; `split` is the share in per cent that SQL has to draw besides. */
export interface Question {
  readonly key: string;
  readonly kind: Kind;
  readonly size: number;
  readonly jsonb: string;
  /** As `jsonb`, with containment; undefined where a GIN index could not narrow it. */
  readonly contained?: string;
  readonly typed: string;
  readonly split?: number;
}

export const QUESTIONS: readonly Question[] = KINDS.flatMap((kind) => SIZES.map((size) => question(kind, size)));

export const QUESTION_SEGMENTS: readonly BenchSegment[] = QUESTIONS.map(({ key, kind, size }) => ({
  key,
  definition: {
    dialect: 'flagsmith',
    enabled: true,
    parent: '',
    rules: [{ type: ruleType(kind), conditions: conditionsOf(kind, size), rules: [] }],
  },
}));

function question(kind: Kind, size: number): Question {
  const asked = ASKED.slice(0, kind === 'SPLIT' ? size - 1 : size);
  const joinedBy = (textOf: (one: Asked) => string): string => joined(kind, asked.map(textOf));
  return {
    key: `${kind.toLowerCase()}-${size}`,
    kind,
    size,
    jsonb: joinedBy(({ jsonb }) => jsonb),
    typed: joinedBy(({ typed }) => typed),
    ...(isNarrowed(kind, asked) ? { contained: joinedBy(({ contained, jsonb }) => contained ?? jsonb) } : {}),
    ...(kind === 'SPLIT' ? { split: SPLIT } : {}),
  };
}

/** Whether containment leaves only some rows to be looked at: one condition of all does, every one of any. */
function isNarrowed(kind: Kind, asked: readonly Asked[]): boolean {
  const isContained = ({ contained }: Asked): boolean => contained !== undefined;
  switch (kind) {
    case 'ALL':
    case 'SPLIT':
      return asked.some(isContained);
    case 'ANY':
      return asked.every(isContained);
    case 'NONE':
      return false;
  }
}

function conditionsOf(kind: Kind, size: number): Condition[] {
  if (kind !== 'SPLIT') return ASKED.slice(0, size).map((asked) => asked.condition);
  return [...conditionsOf('ALL', size - 1), condition('', 'PERCENTAGE_SPLIT', String(SPLIT))];
}

function ruleType(kind: Kind): RuleType {
  return kind === 'SPLIT' ? 'ALL' : kind;
}

function joined(kind: Kind, conditions: readonly string[]): string {
  if (conditions.length === 0) return 'true';
  switch (kind) {
    case 'ALL':
    case 'SPLIT':
      return conditions.join(' and ');
    case 'ANY':
      return `(${conditions.join(' or ')})`;
    case 'NONE':
      return conditions.map((one) => `not coalesce(${one}, false)`).join(' and ');
  }
}
