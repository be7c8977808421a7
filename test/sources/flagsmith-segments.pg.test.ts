import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { planImport } from '../../src/core/import/plan-import.js';
import { readDocument } from '../../src/core/import/read-document.js';
import { readSegments } from '../../src/core/import/read-segments.js';
import type { SegmentDefinition } from '../../src/core/segments.js';
import { readFlagsmithSegments } from '../../src/sources/flagsmith/flagsmith-segments.js';
import { createFlagsmith, type Flagsmith } from '../helpers/flagsmith.js';

let flagsmith: Flagsmith;
beforeEach(async () => {
  flagsmith = await createFlagsmith();
});
afterEach(() => flagsmith.drop());

/** What an import makes of a project's segments, by key. */
async function importSegments(): Promise<Map<string, { name: string; description: string } & SegmentDefinition>> {
  const text = await readFlagsmithSegments(flagsmith.open(), 1);
  const imported = readSegments(readDocument(Buffer.from(text)), { format: 'flagsmith', key: '' });
  return new Map(
    planImport(imported, []).map(({ key, name, description, definition }) => [
      key,
      { name, description, ...definition },
    ]),
  );
}

async function insertSegment(id: number, rulesData?: unknown, columns: Record<string, string> = {}): Promise<void> {
  await flagsmith.sql`insert into segments_segment (id, name, description, project_id, version_of_id, rules_data)
    values (${id}, ${`Segment ${id}`}, 'why', 1, ${id}, ${rulesData === undefined ? null : JSON.stringify(rulesData)}::text::jsonb)`;
  for (const [name, value] of Object.entries(columns))
    await flagsmith.sql.unsafe(`update segments_segment set ${name} = ${value} where id = ${id}`);
}

async function insertRule(id: number, type: string, segmentId: number | null, ruleId: number | null): Promise<void> {
  await flagsmith.sql`insert into segments_segmentrule (id, type, segment_id, rule_id) values (${id}, ${type}, ${segmentId}, ${ruleId})`;
}

async function insertCondition(ruleId: number, property: string | null, operator: string, value: string | null) {
  await flagsmith.sql`insert into segments_condition (rule_id, property, operator, value) values (${ruleId}, ${property}, ${operator}, ${value})`;
}

describe('segments of rows', () => {
  it('are imported as Flagsmith has them, at any depth', async () => {
    await insertSegment(12);
    await insertRule(1, 'ALL', 12, null);
    await insertRule(2, 'ANY', null, 1);
    await insertRule(3, 'NONE', null, 2);
    await insertRule(4, 'ANY', null, 1);
    await insertCondition(2, 'plan', 'EQUAL', 'pro "x" é');
    await insertCondition(2, null, 'PERCENTAGE_SPLIT', '10');
    await insertCondition(3, '$.identity.identifier', 'IS_SET', null);
    expect((await importSegments()).get('12')).toMatchObject({
      name: 'Segment 12',
      description: 'why',
      dialect: 'flagsmith',
      enabled: true,
      rules: [
        {
          type: 'ALL',
          conditions: [],
          rules: [
            {
              type: 'ANY',
              conditions: [
                { property: 'plan', operator: 'EQUAL', value: 'pro "x" é' },
                { property: '', operator: 'PERCENTAGE_SPLIT', value: '10' },
              ],
              rules: [
                {
                  type: 'NONE',
                  conditions: [{ property: '$.identity.identifier', operator: 'IS_SET', value: '' }],
                  rules: [],
                },
              ],
            },
            { type: 'ANY', conditions: [], rules: [] },
          ],
        },
      ],
    });
  });

  it('are those in force: no older versions, no deleted ones, rules or conditions, no other projects', async () => {
    for (const id of [1, 2, 3, 4]) await insertSegment(id);
    await flagsmith.sql`update segments_segment set version_of_id = 1 where id = 2`;
    await flagsmith.sql`update segments_segment set deleted_at = now() where id = 3`;
    await flagsmith.sql`insert into projects_project (id, name, organisation_id) values (2, 'Other', 1)`;
    await flagsmith.sql`update segments_segment set project_id = 2 where id = 4`;
    await insertSegment(5, undefined, { feature_id: '77' });
    await insertRule(1, 'ALL', 1, null);
    await insertRule(2, 'ANY', 1, null);
    await insertCondition(1, 'kept', 'IS_SET', '');
    await insertCondition(1, 'deleted', 'IS_SET', '');
    await flagsmith.sql`update segments_segmentrule set deleted_at = now() where id = 2`;
    await flagsmith.sql`update segments_condition set deleted_at = now() where property = 'deleted'`;
    const segments = await importSegments();
    expect([...segments.keys()]).toEqual(['1', '5']);
    expect(segments.get('1')?.rules).toEqual([
      { type: 'ALL', conditions: [{ property: 'kept', operator: 'IS_SET', value: '' }], rules: [] },
    ]);
  });

  it('are all of them in a schema without versions, deletion and rules as data', async () => {
    for (const id of [1, 2]) await insertSegment(id);
    await flagsmith.sql`alter table segments_segment drop column version_of_id, drop column deleted_at, drop column rules_data`;
    await flagsmith.sql`alter table segments_segmentrule drop column deleted_at`;
    await flagsmith.sql`alter table segments_condition drop column deleted_at`;
    await insertRule(1, 'ALL', 2, null);
    const segments = await importSegments();
    expect([...segments.keys()]).toEqual(['1', '2']);
    expect(segments.get('2')?.rules).toEqual([{ type: 'ALL', conditions: [], rules: [] }]);
  });
});

describe('segments with rules as data', () => {
  it('have these, not the rows', async () => {
    const condition = { property: 'age', operator: 'GREATER_THAN', value: '21', description: null };
    await insertSegment(1, [{ type: 'ALL', conditions: [], rules: [{ type: 'ANY', conditions: [condition] }] }]);
    await insertRule(1, 'NONE', 1, null);
    await insertSegment(2, []);
    await insertRule(2, 'ALL', 2, null);
    const segments = await importSegments();
    expect(segments.get('1')?.rules).toEqual([
      {
        type: 'ALL',
        conditions: [],
        rules: [{ type: 'ANY', conditions: [{ property: 'age', operator: 'GREATER_THAN', value: '21' }], rules: [] }],
      },
    ]);
    expect(segments.get('2')?.rules).toEqual([]);
  });
});

describe('segments that are broken', () => {
  const CONDITION = { property: 'a', operator: 'EQUAL', value: '1' };
  const deep = (levels: number): object => ({
    type: 'ALL',
    conditions: [],
    rules: levels === 0 ? [] : [deep(levels - 1)],
  });

  it.each<[string, unknown, string]>([
    ['no list', { type: 'ALL' }, 'rules are no list'],
    ['what is no rule', [1], 'rules hold what is no object'],
    ['no type', [{ conditions: [] }], 'a rule has no type'],
    ['an unknown type', [{ type: 'XOR', conditions: [] }], "not 'XOR'"],
    ['conditions that are no list', [{ type: 'ALL', conditions: 'all' }], 'conditions are no list'],
    ['a condition without operator', [{ type: 'ALL', conditions: [{ property: 'a' }] }], 'a condition has no operator'],
    ['a property that is no text', [{ type: 'ALL', conditions: [{ ...CONDITION, property: true }] }], 'is no text'],
    [
      'a property that is too long',
      [{ type: 'ALL', conditions: [{ ...CONDITION, property: 'p'.repeat(2001) }] }],
      'more than 2000',
    ],
    ['too deep rules', [deep(60)], 'nested more than 50 levels'],
    ['an unknown operator', [{ type: 'ALL', conditions: [{ ...CONDITION, operator: 'LIKE' }] }], 'LIKE'],
    ['a very long operator', [{ type: 'ALL', conditions: [{ ...CONDITION, operator: 'O'.repeat(500) }] }], 'OOO'],
    ['a bad regex', [{ type: 'ALL', conditions: [{ ...CONDITION, operator: 'REGEX', value: '(' }] }], ''],
  ])('come out with their reason, next to the others: %s', async (_what, rulesData, reason) => {
    await insertSegment(1, rulesData);
    await insertSegment(2, [{ type: 'ALL', conditions: [CONDITION] }]);
    const segments = await importSegments();
    expect(segments.get('1')?.disabledReason).toBeDefined();
    expect(segments.get('1')?.disabledReason).toContain(reason);
    expect(segments.get('2')).toMatchObject({ enabled: true });
    expect(segments.get('2')?.disabledReason).toBeUndefined();
  });

  it('come out where rules are within themselves, or rows hold what was never meant to be there', async () => {
    for (const id of [1, 2, 3]) await insertSegment(id);
    await insertRule(1, 'ALL', 1, null);
    await insertRule(2, 'ANY', null, 1);
    await flagsmith.sql`update segments_segmentrule set rule_id = 2 where id = 1`;
    await insertRule(3, 'MOST', 2, null);
    await insertRule(4, 'ALL', 3, null);
    await insertCondition(4, 'plan', 'EQUAL', 'pro');
    await flagsmith.sql`update segments_segment set description = repeat('d', 20000) where id = 3`;
    const segments = await importSegments();
    expect(segments.get('1')?.disabledReason).toContain('rule 1 is within itself');
    expect(segments.get('2')?.disabledReason).toContain('MOST');
    expect(segments.get('3')?.disabledReason).toBeUndefined();
    expect(segments.get('3')?.description).toHaveLength(10_000);
  });
});
