import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RollcallError } from '../../../src/core/errors.js';
import { encodeChange } from '../../../src/cli/import/encode-change.js';
import { decodeMessage, identityOfKey } from '../../../src/indexing/kafka/decode-message.js';
import type { KafkaMessage } from '../../../src/indexing/kafka/message.js';
import { eventOf, type SourceIdentity, type SourceTrait } from '../capture/source-tables.js';

interface Parts {
  readonly key?: string | Buffer | null;
  readonly value?: string | Buffer | null;
  readonly contentType?: string;
}

function message({ key = null, value = null, contentType }: Parts): KafkaMessage {
  return {
    topic: 'changes',
    partition: 0,
    offset: 0,
    timestampMs: 0,
    key: typeof key === 'string' ? Buffer.from(key) : key,
    value: typeof value === 'string' ? Buffer.from(value) : value,
    headers: contentType === undefined ? new Map() : new Map([['content-type', contentType]]),
  };
}

/** The reason and text of the refusal. */
function refusalOf(parts: Parts): string {
  try {
    return `accepted: ${JSON.stringify(decodeMessage(message(parts)))}`;
  } catch (error) {
    if (!(error instanceof RollcallError)) throw error;
    return `${error.reason}: ${error.message}`;
  }
}

function jsonChange(rest: string): string {
  return `{"environment_key":"default","identifier":"ann",${rest}}`;
}

function traitsOf(traits: string) {
  const decoded = decodeMessage(message({ value: jsonChange(`"set_traits":{"traits":${traits}}`) }));
  return decoded.kind === 'change' ? Object.fromEntries(decoded.change.traits) : decoded;
}

describe('a protobuf message', () => {
  it('is a change', () => {
    const request = encodeChange({
      environment: 'e',
      identifier: 'ann',
      kind: 'upsert',
      id: 7n,
      traits: { a: 1n, b: 1, c: 'x' },
    });
    const traits = new Map([
      ['a', '1'],
      ['b', '1.0'],
      ['c', '"x"'],
    ]);
    expect(decodeMessage(message({ value: request.subarray(2) }))).toEqual({
      kind: 'change',
      environmentKey: 'e',
      change: { kind: 'upsert', identifier: 'ann', identityId: 7, traits },
    });
  });

  it.each([
    ['is empty', Buffer.alloc(0), /^INVALID_REQUEST: an environment's key has 1 to 255 characters/],
    ['is garbage', Buffer.from([0xff, 0xfe, 0x01]), /^INVALID_REQUEST: the message is no IdentityChange in protobuf/],
    ['is of 10 MB', Buffer.alloc(10_000_000, 0x0a), /^INVALID_REQUEST: the message is larger than 8388608 bytes/],
    ['names no change', Buffer.from([0x0a, 1, 0x65, 0x12, 1, 0x61]), /^INVALID_REQUEST: a change is one of/],
    ['has a NUL in its identifier', Buffer.from([0x0a, 1, 0x65, 0x12, 1, 0, 0x3a, 0]), /^INVALID_IDENTIFIER: /],
    [
      'has a NUL in its environment key',
      Buffer.from([0x0a, 1, 0, 0x12, 1, 0x61, 0x3a, 0]),
      /^INVALID_REQUEST: .* none of them NUL/,
    ],
  ])('is refused where it %s', (_what, value, refusal) => {
    expect(refusalOf({ value })).toMatch(refusal);
  });
});

describe('a JSON message', () => {
  it('is known by its header or its first byte, and takes names in both cases', () => {
    const snake = jsonChange('"identity_id":"7","set_traits":{"traits":{"age":{"int_value":41}}}');
    const camel = snake
      .replace('identity_id', 'identityId')
      .replace('set_traits', 'setTraits')
      .replace('int_value', 'intValue');
    const expected = {
      kind: 'change',
      environmentKey: 'default',
      change: { kind: 'set_traits', identifier: 'ann', identityId: 7, traits: new Map([['age', '41']]) },
    };
    expect(decodeMessage(message({ value: snake }))).toEqual(expected);
    expect(decodeMessage(message({ value: camel.replace('environment_key', 'environmentKey') }))).toEqual(expected);
    expect(decodeMessage(message({ value: ` ${snake}`, contentType: 'Application/JSON; charset=utf-8' }))).toEqual(
      expected,
    );
    expect(refusalOf({ value: ` ${snake}` })).toMatch(/in protobuf/);
  });

  it('keeps integers of any size, and floats apart from integers', () => {
    expect(
      traitsOf(
        '{"a":{"int_value":9007199254740993},"b":{"int_value":"-9223372036854775808"},"c":{"float_value":1},"d":{"float_value":1e21},"e":{"big_int_value":"123456789012345678901234567890"}}',
      ),
    ).toEqual({
      a: '9007199254740993',
      b: '-9223372036854775808',
      c: '1.0',
      d: '1000000000000000000000.0',
      e: '123456789012345678901234567890',
    });
  });

  it('takes the last of repeated keys, passes over unknown members, and reads null as null', () => {
    expect(
      traitsOf('{"a":{"string_value":"x"},"a":{"string_value":"y","color":"red"},"b":{"null_value":null},"c":{}}'),
    ).toEqual({
      a: '"y"',
      b: 'null',
      c: 'null',
    });
  });

  it('says nothing about time: 2099 is as good as now', () => {
    expect(refusalOf({ value: jsonChange('"occurred_at":"2099-01-01T00:00:00Z","delete":{}') })).toMatch(/^accepted/);
  });

  it.each([
    ['{', /^INVALID_REQUEST: the message is not JSON: /],
    ['{"a":\xff}', /^INVALID_REQUEST: the message is JSON that is not UTF-8/],
    [`{"a":${'['.repeat(100_000)}`, /^INVALID_REQUEST: the message is JSON that is nested more than 256 levels deep/],
    [jsonChange('"delete":{},"upsert":{}'), /^INVALID_REQUEST: .*oneof set multiple times/],
    [jsonChange('"upsert":{"traits":{"plan":"pro"}}'), /^INVALID_REQUEST: .*TraitValue/],
    [jsonChange('"upsert":{"traits":{"a":{"int_value":9223372036854775808}}}'), /^INVALID_REQUEST: .*int_value/],
    [jsonChange('"upsert":{"traits":{"a":{"float_value":"NaN"}}}'), /^INVALID_TRAIT: a trait is not a finite number/],
    [jsonChange('"upsert":{"traits":{"__proto__":{"int_value":1}}}'), /^INVALID_TRAIT: .*__proto__/],
    ['{"environment_key":"e","identifier":"","delete":{}}', /^INVALID_IDENTIFIER: /],
  ])('is refused with what is wrong: %s', (value, refusal) => {
    expect(refusalOf({ value: Buffer.from(value, 'latin1') })).toMatch(refusal);
  });
});

describe('a message without a value', () => {
  it('deletes the identity of its key, split at the first colon', () => {
    expect(decodeMessage(message({ key: 'default:ann:x' }))).toEqual({
      kind: 'change',
      environmentKey: 'default',
      change: { kind: 'delete', identifier: 'ann:x', traits: new Map() },
    });
  });

  it.each(['{"id":5}', '{"schema":{},"payload":{"identity_id":5}}', '5'])('says nothing where the key is %s', (key) => {
    expect(decodeMessage(message({ key }))).toEqual({ kind: 'nothing' });
  });

  it.each([
    [null, /^INVALID_REQUEST: .*needs the key <environment key>:<identifier>/],
    ['ann', /^INVALID_REQUEST: .*needs the key <environment key>:<identifier>/],
    [':ann', /^INVALID_REQUEST: an environment's key/],
    ['default:', /^INVALID_IDENTIFIER: /],
  ])('is refused with the key %s', (key, refusal) => {
    expect(refusalOf({ key })).toMatch(refusal);
  });
});

describe('the identity of a key', () => {
  it.each([
    ['default:ann', { environmentKey: 'default', identifier: 'ann' }],
    ['ann', undefined],
    [Buffer.from([0x61, 0x3a, 0xff]), undefined],
    [null, undefined],
  ])('of %s', (key, identity) => {
    expect(identityOfKey(message({ key }).key)).toEqual(identity);
  });
});

const ANN: SourceIdentity = {
  id: 5,
  identifier: 'ann',
  environment_id: 1,
  created_date: '',
  system_traits: { plan: 'pro', age: 1.5 },
};
const AGE: SourceTrait = {
  id: 1,
  identity_id: 5,
  trait_key: 'age',
  value_type: 'int',
  boolean_value: null,
  integer_value: 41,
  string_value: null,
  float_value: null,
};

describe('a captured row', () => {
  const identity = {
    id: 5,
    identifier: 'ann',
    environmentId: 1,
    systemTraits: new Map([
      ['plan', '"pro"'],
      ['age', '1.5'],
    ]),
  };

  it.each([true, false])('of an identity is read, with its schema beside it: %s', (isWrapped) => {
    const row = { table: 'identity', before: undefined, after: identity };
    expect(decodeMessage(message(eventOf('environments_identity', 'r', { after: ANN }, isWrapped)))).toEqual({
      kind: 'captured',
      row,
    });
  });

  it('of an identity may bring its system traits as an object, and be keyed by the number alone', () => {
    const { value } = eventOf('environments_identity', 'c', { after: ANN });
    const asObject = value.replace(
      /"system_traits":"(\{.*?\})"/,
      (_all, text: string) => `"system_traits":${text.replaceAll('\\', '')}`,
    );
    expect(decodeMessage(message({ key: '5', value: asObject }))).toEqual({
      kind: 'captured',
      row: { table: 'identity', before: undefined, after: identity },
    });
  });

  it.each([
    [{ value_type: 'int', integer_value: -7 }, '-7'],
    [{ value_type: 'bool', boolean_value: false }, 'false'],
    [{ value_type: 'float', float_value: 2 }, '2.0'],
    [{ value_type: 'float', float_value: 1e-7 }, '0.0000001'],
    [{ value_type: 'unicode', string_value: '' }, '""'],
    [{ value_type: 'unicode', string_value: '41' }, '"41"'],
    [{ value_type: 'unicode', string_value: null }, null],
    [{ value_type: 'int', integer_value: null }, null],
  ] as const)('of a trait %o has the value %s', (columns, text) => {
    const after = { ...AGE, integer_value: null, ...columns };
    expect(decodeMessage(message(eventOf('environments_trait', 'c', { after })))).toEqual({
      kind: 'captured',
      row: { table: 'trait', before: undefined, after: { identityId: 5, key: 'age', text } },
    });
  });

  it('of an environment is read, also where only its id is known when it goes', () => {
    const row = { id: 3, api_key: 'abc', name: 'Production', project_id: 1 };
    expect(decodeMessage(message(eventOf('environments_environment', 'u', { before: row, after: row })))).toEqual({
      kind: 'captured',
      row: { table: 'environment', before: undefined, after: { id: 3, environmentKey: 'abc' } },
    });
    const gone = eventOf('environments_environment', 'd', { before: { ...row, api_key: '', name: '' } });
    expect(decodeMessage(message(gone))).toEqual({
      kind: 'captured',
      row: { table: 'environment', before: { id: 3 }, after: undefined },
    });
  });

  it.each([
    ['u', { after: ANN }],
    ['u', { before: { ...ANN, identifier: '', environment_id: 0 }, after: ANN }],
    ['d', { before: { ...ANN, identifier: '', environment_id: 0 } }],
    ['d', {}],
  ] as const)('that is not whole (%s %o) is refused with what to set', (op, rows) => {
    expect(refusalOf({ ...eventOf('environments_identity', op, rows), key: '5' })).toMatch(
      /^INVALID_REQUEST: .*ALTER TABLE environments_identity REPLICA IDENTITY FULL/,
    );
  });

  it('of a trait that is not whole is refused with what to set', () => {
    const event = eventOf('environments_trait', 'd', { before: { ...AGE, identity_id: 0, trait_key: '' } });
    expect(refusalOf({ ...event, key: '5' })).toMatch(/ALTER TABLE environments_trait REPLICA IDENTITY FULL/);
  });

  it.each([null, '{"id":1}', '{"id":5,', 'default:ann', '{}'])('keyed by %s is refused with what to set', (key) => {
    const { value } = eventOf('environments_trait', 'c', { after: AGE });
    expect(refusalOf({ key, value })).toMatch(/^INVALID_REQUEST: .*message\.key\.columns/);
  });

  it.each([
    ['{"op":"t","source":{"table":"environments_trait"}}', /was truncated.*new snapshot/],
    ['{"op":"m","source":{}}', /the captured row's table is none: set table\.include\.list/],
    ['{"op":"c","source":{"table":"users"}}', /the captured row's table is 'users'/],
    ['{"op":"x","source":{"table":"environments_identity"}}', /this one is 'x'/],
  ])('%s is refused', (value, refusal) => {
    expect(refusalOf({ key: '5', value })).toMatch(refusal);
  });

  it('with a value that its type cannot have is refused', () => {
    const columns = [
      { value_type: 'int', integer_value: 1.5 },
      { value_type: 'json' },
      { value_type: 'unicode', string_value: 'nul\0' },
    ];
    for (const column of columns) {
      const { key, value } = eventOf('environments_trait', 'c', { after: AGE });
      const after: unknown = { ...AGE, ...column };
      const changed = JSON.stringify({ ...JSON.parse(value), after });
      expect(refusalOf({ key, value: changed })).toMatch(/^INVALID_TRAIT: /);
    }
  });
});

describe('whatever the bytes', () => {
  const events = [
    eventOf('environments_trait', 'u', { before: AGE, after: AGE }),
    eventOf('environments_identity', 'u', { before: ANN, after: ANN }, true),
    {
      key: 'default:ann',
      value: jsonChange('"set_traits":{"traits":{"a":{"list_value":{"values":[{"int_value":1}]}}}}'),
    },
  ];

  it('nothing but a RollcallError is thrown', () => {
    const bytes = fc.option(
      fc.uint8Array({ maxLength: 40 }).map((data) => Buffer.from(data)),
      { nil: null },
    );
    const json = fc.json({ maxDepth: 5 }).map((text) => Buffer.from(text));
    const mutated = fc
      .tuple(fc.constantFrom(...events), fc.nat(), fc.string({ maxLength: 3 }))
      .map(([{ value }, place, text]) => {
        const at = place % value.length;
        return Buffer.from(value.slice(0, at) + text + value.slice(at + text.length));
      });
    fc.assert(
      fc.property(
        fc.oneof(bytes, fc.constant(Buffer.from('5'))),
        fc.oneof(bytes, json, mutated),
        fc.boolean(),
        (key, value, isJson) => {
          refusalOf({ key, value, ...(isJson ? { contentType: 'application/json' } : {}) });
          identityOfKey(key);
        },
      ),
      { numRuns: 5_000 },
    );
  });
});
