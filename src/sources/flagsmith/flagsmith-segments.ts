import { RollcallError } from '../../core/errors.js';
import { formatTrait, parseTrait } from '../../core/trait-text.js';
import type { TraitValue } from '../../core/values.js';
import { columnOr, type FlagsmithColumns, isLive, readColumns } from './flagsmith-columns.js';
import type { FlagsmithDatabase } from './flagsmith-database.js';
import { gatherRules, type RulesOfSegment, type SegmentRow } from './segment-rows.js';
import { brokenRules, clip, rulesOfDocument } from './segment-rules.js';

const SEGMENT_TABLE = 'segments_segment';
const RULE_TABLE = 'segments_segmentrule';
const CONDITION_TABLE = 'segments_condition';

const REQUIRED = {
  [SEGMENT_TABLE]: ['id', 'name', 'description', 'project_id'],
  [RULE_TABLE]: ['id', 'type', 'segment_id', 'rule_id'],
  [CONDITION_TABLE]: ['id', 'rule_id', 'property', 'operator', 'value'],
};

/** What an import takes of a name and of a description, in characters. */
const MAX_NAME_LENGTH = 2_000;
const MAX_DESCRIPTION_LENGTH = 10_000;

/**
 * The segments of a project that are in force, as the JSON text of an environment document's list `project.segments`, by id, which is their key. Those of a feature are among them. A
 * segment whose rules are broken comes with a rule of an unknown type that says what is wrong, so that an import refuses only that one. Throws SOURCE_UNAVAILABLE or INVALID_DOCUMENT.
 */
export async function readFlagsmithSegments(
  database: FlagsmithDatabase,
  projectId: number,
  signal: AbortSignal = new AbortController().signal,
): Promise<string> {
  const columns = await readColumns(database, REQUIRED, signal);
  const statement = { text: segmentsQuery(columns), parameters: [projectId] };
  const rows = await database.ask<SegmentRow>(() => statement, signal);
  const rulesOf = gatherRules(rows);
  const segments = rows.filter(({ kind }) => kind === 'segment');
  return formatTrait(segments.map((segment) => documentOf(segment, rulesOf)));
}

/** One statement, so that rules and conditions are of one moment. The rows of a circle of rules come once. */
function segmentsQuery(columns: FlagsmithColumns): string {
  const live = (table: string, alias: string): string => isLive(columns, table, alias);
  const version = columnOr(columns, { table: SEGMENT_TABLE, alias: 's', column: 'version_of_id' }, 's.id');
  const rulesData = columnOr(columns, { table: SEGMENT_TABLE, alias: 's', column: 'rules_data' }, 'null');
  return `with recursive segment as (
    select s.id, s.name, s.description, ${rulesData}::jsonb::text as rules_data from ${SEGMENT_TABLE} s
    where s.project_id = $1::bigint and ${version} = s.id and ${live(SEGMENT_TABLE, 's')}
  ), rule as (
    select r.id, r.segment_id, r.rule_id, r.type from ${RULE_TABLE} r join segment on segment.id = r.segment_id
    where segment.rules_data is null and ${live(RULE_TABLE, 'r')}
    union
    select r.id, r.segment_id, r.rule_id, r.type from ${RULE_TABLE} r join rule on rule.id = r.rule_id
    where ${live(RULE_TABLE, 'r')}
  )
  select 'segment' as kind, id, null::int as segment_id, null::int as rule_id, name::text as name,
    null::text as property, null::text as value, description::text as description, rules_data from segment
  union all select 'rule', id, segment_id, rule_id, type::text, null, null, null, null from rule
  union all select 'condition', c.id, null, c.rule_id, c.operator::text, c.property::text, c.value::text, null, null
    from ${CONDITION_TABLE} c join rule on rule.id = c.rule_id where ${live(CONDITION_TABLE, 'c')}
  order by kind, id`;
}

function documentOf({ id, name, description, rules_data }: SegmentRow, rulesOf: RulesOfSegment): TraitValue {
  return {
    id: BigInt(id),
    name: clip(name, MAX_NAME_LENGTH),
    description: clip(description ?? '', MAX_DESCRIPTION_LENGTH),
    rules: rules_data === null ? rulesOfDocument(rulesOf(id)) : rulesOfJson(rules_data),
  };
}

function rulesOfJson(text: string): TraitValue[] {
  try {
    return rulesOfDocument(parseTrait(text));
  } catch (error) {
    if (error instanceof RollcallError) return brokenRules('rules_data cannot be read');
    throw error;
  }
}
