import { describe, expect, it } from 'vitest';
import { RollcallError } from '../../../src/core/errors.js';
import { MAX_DOCUMENT_BYTES, readDocument } from '../../../src/core/import/read-document.js';
import { MAX_DOCUMENT_SEGMENTS, readSegments } from '../../../src/core/import/read-segments.js';

const read = (document: unknown, key = '', format?: 'flagsmith' | 'litestar' | 'mozhno') =>
  readSegments(readDocument(Buffer.from(typeof document === 'string' ? document : JSON.stringify(document))), {
    key,
    format,
  });

function refusal(work: () => unknown): { reason: string; metadata: Readonly<Record<string, string>>; message: string } {
  try {
    work();
  } catch (error) {
    if (error instanceof RollcallError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

const CONDITION = { property_: 'plan', operator: 'EQUAL', value: 'pro' };
const ENVIRONMENT = {
  id: 1,
  api_key: 'live',
  project: {
    id: 7,
    name: 'Shop',
    segments: [
      {
        id: 12,
        name: 'Growth',
        feature_states: [],
        rules: [
          {
            type: 'ALL',
            conditions: [],
            rules: [
              {
                type: 'ANY',
                rules: [],
                conditions: [CONDITION, { property_: null, operator: 'PERCENTAGE_SPLIT', value: '20' }],
              },
            ],
          },
        ],
      },
    ],
  },
  identity_overrides: [{ identifier: 'ada', identity_features: [] }],
};

describe('a Flagsmith environment document', () => {
  it('gives its segments: the id as text is the key, conditions are on `property_`', () => {
    expect(read(ENVIRONMENT)).toMatchObject([
      {
        key: '12',
        name: 'Growth',
        dialect: 'flagsmith',
        sourceId: '',
        enabled: undefined,
        rules: [
          {
            type: 'ALL',
            conditions: [],
            rules: [
              {
                type: 'ANY',
                conditions: [
                  { property: 'plan', operator: 'EQUAL', value: 'pro' },
                  { property: '', operator: 'PERCENTAGE_SPLIT', value: '20' },
                ],
              },
            ],
          },
        ],
      },
    ]);
  });

  it('is the same as a list of segments, and with the other name of the property', () => {
    const expected = read(ENVIRONMENT).map(({ pointer: _, ...segment }) => segment);
    const list = JSON.stringify(ENVIRONMENT.project.segments).replaceAll('property_', 'property');
    expect(read(list).map(({ pointer: _, ...segment }) => segment)).toEqual(expected);
  });

  it('keeps operands that are no texts: integers of any size, lists, none', () => {
    const big = '123456789012345678901234567890';
    const document = `[{"id":1,"rules":[{"type":"ALL","conditions":[{"property":"a","operator":"EQUAL","value":${big}},
      {"property":"a","operator":"IN","value":["x",${big}]},{"property":"a","operator":"IS_SET","value":null},{"property":"a","operator":"EQUAL","value":true},
      {"property":"a","operator":"EQUAL","value":1e16}]}]}]`;
    expect(read(document)[0]?.rules[0]?.conditions.map(({ value }) => value)).toEqual([
      big,
      `["x", ${big}]`,
      '',
      'True',
      '1e+16',
    ]);
  });

  it('has a problem where a rule is of no known type; the operators are looked at later', () => {
    const [segment] = read([{ id: 1, rules: [{ type: 'XOR', conditions: [] }] }], '', 'flagsmith');
    expect(segment).toMatchObject({ rules: [], problem: { reason: 'INVALID_SEGMENT' } });
    expect(segment?.problem?.message).toBe("the rule /0/rules/0 is of type ALL, ANY or NONE, not 'XOR'");
  });
});

describe('litestar-flags', () => {
  it('segments have their name as key, and are known by their id as well', () => {
    const id = '0190d0f6-8c5e-7e07-a4a6-1f6d3a3b3c00';
    const conditions = [
      { attribute: 'country', operator: 'in', value: ['US', 'CA'] },
      { attribute: 'n', value: 5 },
      { attribute: 'x', operator: 'ne' },
    ];
    expect(
      read([{ id, name: 'premium', description: null, conditions, parent_segment_id: 'other', enabled: false }]),
    ).toMatchObject([
      {
        key: 'premium',
        name: 'premium',
        sourceId: id,
        parent: 'other',
        enabled: false,
        dialect: 'litestar',
        rules: [
          {
            type: 'ALL',
            conditions: [
              { property: 'country', operator: 'in', value: '["US", "CA"]' },
              { property: 'n', operator: 'eq', value: '5' },
              { property: 'x', operator: 'ne', value: 'null' },
            ],
          },
        ],
      },
    ]);
  });

  it('a bare list of conditions is the segment whose key is given, an empty one too', () => {
    const [segment] = read([{ attribute: '', operator: 'in_segment', value: 'eu' }], 'mine');
    expect(segment).toMatchObject({
      key: 'mine',
      dialect: 'litestar',
      rules: [{ conditions: [{ operator: 'in_segment', value: 'eu' }] }],
    });
    expect(read([], 'all', 'litestar')).toMatchObject([{ key: 'all', rules: [{ type: 'ALL', conditions: [] }] }]);
    expect(refusal(() => read([{ attribute: 'a', operator: 'eq', value: 1 }]))).toMatchObject({
      reason: 'INVALID_REQUEST',
      metadata: { field: 'key' },
    });
    expect(refusal(() => read([{ name: 'a', conditions: [] }], 'mine'))).toMatchObject({
      reason: 'INVALID_REQUEST',
      metadata: { field: 'key' },
    });
  });

  it('a condition without an attribute is a problem of its segment alone', () => {
    const segments = read([
      { name: 'a', conditions: [{ operator: 'eq', value: 1 }] },
      { name: 'b', conditions: [] },
    ]);
    expect(segments.map(({ problem }) => problem?.reason)).toEqual(['INVALID_SEGMENT', undefined]);
  });

  it('a name of 2,000 characters is kept; the id is then the key', () => {
    const name = '名'.repeat(2000);
    expect(read([{ id: 'i1', name, conditions: [] }])).toMatchObject([{ key: 'i1', name, sourceId: '' }]);
    expect(refusal(() => read([{ name, conditions: [] }]))).toMatchObject({
      reason: 'INVALID_DOCUMENT',
      metadata: { pointer: '/0' },
    });
    expect(refusal(() => read([{ id: 'i1', name: `${name}x`, conditions: [] }])).metadata).toEqual({
      pointer: '/0/name',
    });
  });
});

describe('Mozhno', () => {
  it('rules have a field, an operator, values and perhaps a type', () => {
    const rules = [
      { field: 'country', values: ['RU', 'KZ'] },
      { field: 'age', operator: 'gte', values: ['18'], contextType: 'number' },
      { operator: 'in_segment', values: ['a', 'b'] },
      { operator: 'not_in_segment', values: ['c'] },
    ];
    expect(read([{ key: 'k', name: 'N', constraints: rules }])).toMatchObject([
      {
        key: 'k',
        name: 'N',
        dialect: 'mozhno',
        rules: [
          {
            type: 'ALL',
            conditions: [
              { property: 'country', operator: 'in', value: '["RU", "KZ"]' },
              { property: 'age', operator: 'gte', value: '{"type": "number", "values": ["18"]}' },
            ],
            rules: [
              {
                type: 'ANY',
                conditions: [
                  { operator: 'in_segment', value: 'a' },
                  { operator: 'in_segment', value: 'b' },
                ],
              },
              { type: 'NONE', conditions: [{ operator: 'in_segment', value: 'c' }] },
            ],
          },
        ],
      },
    ]);
    expect(read(rules, 'bare')).toMatchObject([{ key: 'bare', dialect: 'mozhno' }]);
    expect(read([{ name: 'r', rules }])).toMatchObject([{ key: 'r', dialect: 'mozhno' }]);
  });
});

describe('what is refused', () => {
  it.each([
    ['no JSON', '{"project"', ''],
    ['nothing with segments', '{"features": []}', ''],
    ['a number for segments', '{"project": {"segments": 5}}', '/project/segments'],
    ['a text for a segment', '["a"]', ''],
    ['a segment without a key', '[{"id": null, "rules": [{"type": "ALL"}]}]', '/0'],
    ['a rule that is a list', '[{"id": 1, "rules": [{"type": "ALL", "rules": [[]]}]}]', '/0/rules/0/rules/0'],
    [
      'a condition without operator',
      '[{"id": 1, "rules": [{"type": "ALL", "conditions": [{"property_": "a"}]}]}]',
      '/0/rules/0/conditions/0',
    ],
    ['a name that is a list', '[{"id": 1, "name": [], "rules": [{"type": "ALL"}]}]', '/0/name'],
    ['a NUL', '[{"name": "a", "conditions": [{"attribute": "a", "value": ["\\u0000"]}]}]', '/0/conditions/0/value'],
    ['half of a surrogate pair', '[{"name": "a\\ud800", "conditions": []}]', '/0/name'],
    ['an enabled that is a text', '[{"name": "a", "enabled": "no", "conditions": []}]', '/0/enabled'],
    ['a number that is none', '[{"name": "a", "conditions": [{"attribute": "a", "value": 1e400}]}]', ''],
    ['lists nested without end', '['.repeat(100_000), ''],
  ])('%s, with the place', (_, document, pointer) => {
    expect(refusal(() => read(document))).toMatchObject({ reason: 'INVALID_DOCUMENT', metadata: { pointer } });
  });

  it.each([
    [
      'flagsmith',
      [
        { id: 1, rules: [{ type: 'ALL' }] },
        { name: 'a', conditions: [] },
      ],
    ],
    [
      'litestar',
      [
        { name: 'a', conditions: [] },
        { id: 1, rules: [{ type: 'ALL' }] },
      ],
    ],
    [
      'mozhno',
      [
        { name: 'a', constraints: [] },
        { name: 'b', conditions: [{ attribute: 'a' }] },
      ],
    ],
  ] as const)('a segment of another format among those of %s, which would lose its rules', (format, document) => {
    for (const asked of [undefined, format])
      expect(refusal(() => read(document, '', asked))).toMatchObject({
        reason: 'INVALID_DOCUMENT',
        metadata: { pointer: '/1' },
      });
  });

  it('bytes that are no UTF-8, and too many', () => {
    expect(refusal(() => readDocument(Uint8Array.of(0x22, 0xff, 0x22))).reason).toBe('INVALID_DOCUMENT');
    const large = Buffer.alloc(MAX_DOCUMENT_BYTES + 1, ' ');
    expect(refusal(() => readDocument(large)).message).toContain('larger than');
  });

  it('more segments than are taken at once', () => {
    const segments = Array.from({ length: MAX_DOCUMENT_SEGMENTS + 1 }, (_, id) => ({ name: `s${id}`, conditions: [] }));
    expect(refusal(() => read(segments)).message).toContain(`more than ${MAX_DOCUMENT_SEGMENTS}`);
  });

  it('a member that the object does not have of itself is not there', () => {
    expect(refusal(() => read('[{"__proto__": {"name": "a"}, "conditions": []}]')).metadata).toEqual({ pointer: '/0' });
  });
});
