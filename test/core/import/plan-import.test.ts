import { describe, expect, it } from 'vitest';
import { planImport } from '../../../src/core/import/plan-import.js';
import { readDocument } from '../../../src/core/import/read-document.js';
import { readSegments } from '../../../src/core/import/read-segments.js';
import type { ExistingSegment } from '../../../src/core/import/segment-names.js';

const plan = (document: unknown, existing: readonly ExistingSegment[] = []) =>
  planImport(
    readSegments(readDocument(Buffer.from(JSON.stringify(document))), { key: '', format: undefined }),
    existing,
  );
const litestar = (name: string, conditions: unknown[] = [], rest: object = {}) => ({ name, conditions, ...rest });
const inSegment = (value: string, operator = 'in_segment') => ({ attribute: 'any', operator, value });
const reasons = (document: unknown, existing?: readonly ExistingSegment[]) =>
  Object.fromEntries(plan(document, existing).map(({ key, definition }) => [key, definition.disabledReason]));

const EXISTING: ExistingSegment = {
  key: 'eu',
  name: 'Europe',
  description: '',
  definition: { dialect: 'flagsmith', enabled: true, parent: '', rules: [{ type: 'ALL', conditions: [], rules: [] }] },
};

describe('a segment that cannot be written as it is', () => {
  it('is disabled with the reason, its rules kept; the others are as they were', () => {
    const document = [litestar('good'), litestar('bad', [{ attribute: 'plan', operator: 'sounds_like', value: 'x' }])];
    expect(plan(document)).toMatchObject([
      { key: 'good', outcome: 'created', definition: { enabled: true } },
      {
        key: 'bad',
        outcome: 'created',
        definition: {
          enabled: false,
          disabledReason: "UNKNOWN_OPERATOR: the operator 'sounds_like' is not known (property 'plan')",
          rules: [{ conditions: [{ operator: 'sounds_like' }] }],
        },
      },
    ]);
  });

  it('has a pattern that is refused, an operand too long, too many conditions, or too deep rules', () => {
    const pattern = { attribute: 'a', operator: 'matches', value: '(?=a)' };
    const deep = (levels: number): object => ({
      type: 'ALL',
      conditions: [],
      rules: levels === 0 ? [] : [deep(levels - 1)],
    });
    const found = reasons([
      litestar('pattern', [pattern]),
      litestar('long', [{ attribute: 'a', value: 'x'.repeat(70_000) }]),
      litestar(
        'many',
        Array.from({ length: 1_001 }, () => ({ attribute: 'a', value: 1 })),
      ),
    ]);
    expect(found['pattern']).toMatch(/^UNSUPPORTED_PATTERN: /);
    expect(found['long']).toMatch(/^INVALID_SEGMENT: an operand is longer/);
    expect(found['many']).toMatch(/^INVALID_SEGMENT: there are more than/);
    expect(reasons([{ id: 1, rules: [deep(70)] }])['1']).toMatch(/nested more than/);
  });

  it('has an operand that its operator does not read, and the reason names the property', () => {
    const rule = { field: 'price', operator: 'gt', values: ['5'], type: 'money' };
    expect(reasons([{ key: 'm', constraints: [rule] }])['m']).toBe(
      "INVALID_OPERAND: a rule knows the types string, number, time, semver (property 'price')",
    );
  });

  it('names a segment or parent that is not there', () => {
    const found = reasons([litestar('a', [inSegment('nowhere')]), litestar('b', [], { parent_segment_id: 'nowhere' })]);
    expect(found['a']).toMatch(/^UNKNOWN_REFERENCE: /);
    expect(found['b']).toMatch(/^UNKNOWN_REFERENCE: /);
  });

  it('is in a cycle, also one by way of a segment that is there already; what only leads to one is not, but by a condition', () => {
    const found = reasons([
      litestar('a', [], { parent: 'b' }),
      litestar('b', [], { parent: 'a' }),
      litestar('own', [inSegment('own')]),
      litestar('child', [], { parent: 'a' }),
      litestar('user', [inSegment('a', 'not_in_segment')]),
    ]);
    expect(found['a']).toContain('SEGMENT_CYCLE: segments refer to each other in a circle: a -> b -> a');
    expect(found['b']).toContain('b -> a -> b');
    expect(found['own']).toContain('own -> own');
    expect(found['child']).toBeUndefined();
    expect(found['user']).toMatch(/^INVALID_SEGMENT: the segment 'a' that is referred to is disabled/);
    const stored = { ...EXISTING, definition: { ...EXISTING.definition, parent: 'x' } };
    expect(reasons([litestar('x', [], { parent: 'eu' })], [stored])['x']).toContain('x -> eu -> x');
  });
});

describe('references', () => {
  it('are by key in the document and the project; in litestar-flags also by name and id', () => {
    const planned = plan(
      [
        litestar('base', [], { id: 'id-1', key: 'k1' }),
        litestar('byKey', [inSegment('k1'), inSegment('eu')]),
        litestar('byName', [inSegment('base'), inSegment('Europe')]),
        litestar('byId', [inSegment('id-1')], { parent_segment_id: 'id-1' }),
      ],
      [EXISTING],
    );
    const valuesOf = (at: number) => planned[at]?.definition.rules[0]?.conditions.map(({ value }) => value);
    expect([valuesOf(1), valuesOf(2), valuesOf(3)]).toEqual([['k1', 'eu'], ['k1', 'eu'], ['k1']]);
    expect(planned[3]?.definition.parent).toBe('k1');
    expect(planned.map(({ definition }) => definition.disabledReason)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('by a name that two segments have lead nowhere', () => {
    const second = { ...EXISTING, key: 'eu2' };
    expect(reasons([litestar('a', [inSegment('Europe')])], [EXISTING, second])['a']).toMatch(/^UNKNOWN_REFERENCE/);
  });
});

describe('again', () => {
  const document = [
    litestar('a', [{ attribute: 'n', operator: 'gt', value: 5 }], { id: 'i' }),
    litestar('b', [inSegment('?')]),
  ];

  it('nothing changes', () => {
    const first = plan(document);
    expect(plan(document, first).map(({ outcome }) => outcome)).toEqual(['unchanged', 'unchanged']);
  });

  it('what a person disabled stays so, what an import disabled does not', () => {
    const first = plan(document).map((segment) => ({
      ...segment,
      definition: { ...segment.definition, enabled: false },
    }));
    const mended = [document[0], litestar('b', [inSegment('a')])];
    expect(
      plan(mended, first).map(({ outcome, definition }) => [outcome, definition.enabled, definition.disabledReason]),
    ).toEqual([
      ['unchanged', false, undefined],
      ['updated', true, undefined],
    ]);
  });

  it('a segment that got another name there keeps its key', () => {
    expect(plan([litestar('renamed', [], { id: 'i' })], plan(document))).toMatchObject([
      { key: 'a', name: 'renamed', outcome: 'updated' },
    ]);
  });

  it('a key that comes twice is refused with both places', () => {
    expect(() => plan([litestar('a'), litestar('a')])).toThrow(
      expect.objectContaining({ reason: 'INVALID_DOCUMENT', metadata: { pointer: '/1' } }) as Error,
    );
  });
});
