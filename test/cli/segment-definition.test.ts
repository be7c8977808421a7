import { describe, expect, it } from 'vitest';
import { definitionWhere, parseDefinition } from '../../src/cli/segment-definition.js';

const conditionsOf = (...texts: string[]) => definitionWhere(texts).rules[0]?.conditions;

describe('a condition in one line', () => {
  it.each([
    ['age GREATER_THAN 21', { property: 'age', operator: 'GREATER_THAN', value: '21' }],
    ['age GREATER_THAN_INCLUSIVE 21', { property: 'age', operator: 'GREATER_THAN_INCLUSIVE', value: '21' }],
    ['first name EQUAL Ada Lovelace', { property: 'first name', operator: 'EQUAL', value: 'Ada Lovelace' }],
    ['country IN DE, FR ', { property: 'country', operator: 'IN', value: 'DE, FR ' }],
    ['beta IS_SET', { property: 'beta', operator: 'IS_SET', value: '' }],
    ['PERCENTAGE_SPLIT 20', { property: '', operator: 'PERCENTAGE_SPLIT', value: '20' }],
    ['in_segment growth', { property: '', operator: 'in_segment', value: 'growth' }],
    ['note EQUAL a IN b', { property: 'note', operator: 'EQUAL', value: 'a IN b' }],
    ['age EQUALS 3', { property: 'age', operator: 'EQUALS', value: '3' }],
  ])('%s', (text, condition) => {
    expect(conditionsOf(text)).toEqual([condition]);
  });

  it('of one word is refused', () => {
    expect(() => conditionsOf('age')).toThrow('property OPERATOR value');
  });
});

describe('a definition in JSON', () => {
  it('may be only its list of rules', () => {
    expect(parseDefinition('[{"type":"ALL"}]', '--rules')).toEqual({ rules: [{ type: 'ALL' }] });
  });

  it('keeps the digits of a number, and takes a list as its JSON text', () => {
    const text =
      '[{"type":"ANY","conditions":[{"property":"a","operator":"EQUAL","value":1.0},{"property":"b","operator":"IN","value":["x",10]}]}]';
    const [rule] = parseDefinition(text, '--rules').rules;
    expect(rule?.conditions?.map(({ value }) => value)).toEqual(['1.0', '["x",10]']);
  });

  it('says all that is wrong with it', () => {
    const text = '{"rules":[{"type":"SOME","conditions":[{"operator":3}]}],"owner":"me"}';
    expect(() => parseDefinition(text, 'growth.json')).toThrow(
      /growth\.json is not a segment definition:[\s\S]*rules\.0\.type[\s\S]*operator[\s\S]*owner/,
    );
  });

  it('that is not JSON is refused', () => {
    expect(() => parseDefinition('{', '--rules')).toThrow('--rules is not JSON');
  });
});
