import { describe, expect, it } from 'vitest';
import { changesText } from '../../src/cli/audit/changes-text.js';

const segment = {
  project: 'default',
  key: 'payers',
  name: 'Payers',
  description: '',
  enabled: true,
  dialect: 'DIALECT_FLAGSMITH',
  rules: [{ type: 'RULE_TYPE_ALL', conditions: [{ property: 'plan', operator: 'EQUAL', value: 'pro' }], rules: [] }],
  etag: '1',
  createdAt: '2026-01-01T00:00:00.000Z',
};

describe('what an entry changed', () => {
  it('is all of something new that says anything', () => {
    expect(changesText(undefined, segment)).toBe(
      'name: "Payers"; enabled: true; dialect: flagsmith; rules[0].type: all; rules[0].conditions[0]: plan EQUAL pro',
    );
  });

  it('is each member that is another now, a condition being one', () => {
    const rules = [
      {
        type: 'RULE_TYPE_ANY',
        conditions: [
          { property: 'plan', operator: 'IN', list: 'plans' },
          { property: 'age', operator: 'IS_SET', value: '' },
        ],
        rules: [],
      },
    ];
    expect(changesText(segment, { ...segment, enabled: false, rules, etag: '2' })).toBe(
      'enabled: true → false; rules[0].type: all → any; rules[0].conditions[0]: plan EQUAL pro → plan IN list plans; ' +
        'rules[0].conditions[1]: none → age IS_SET',
    );
  });

  it('names what is gone', () => {
    expect(changesText({ size: 2, disabledReason: 'no' }, { size: 3 })).toBe(
      'size: 2 → 3; disabledReason: "no" → none',
    );
  });

  it('is nothing where all is gone or nothing else', () => {
    expect(changesText(segment, undefined)).toBe('');
    expect(changesText(segment, { ...segment, etag: '2' })).toBe('');
    expect(changesText(undefined, undefined)).toBe('');
  });
});
