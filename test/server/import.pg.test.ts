import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Dialect } from '../../src/gen/rollcall/v1/segment_pb.js';
import { DocumentFormat, ImportMode, ImportOutcome } from '../../src/gen/rollcall/v1/segment_service_pb.js';
import { createTestDatabase } from '../helpers/postgres.js';
import type { TestDatabase } from '../helpers/postgres.js';
import {
  all,
  apply,
  condition,
  eventually,
  identifiersOf,
  int,
  putSegment,
  readStream,
  refusal,
  remove,
  segmentSelector,
  startTestRollcall,
  text,
  upsert,
} from '../helpers/rollcall.js';
import type { TestRollcall } from '../helpers/rollcall.js';

let database: TestDatabase;
let server: TestRollcall;

const PEOPLE = [
  upsert('ada', { country: text('US'), age: int(41), version: text('1.10.0'), seen: text('2024-05-01T23:30:00Z') }),
  upsert('bob', { country: text('DE'), age: int(17), version: text('1.9'), seen: text('2024-05-01T12:00:00Z') }),
  upsert('cyd', { country: text('CA'), age: text('41') }),
  upsert('dan', {}),
];

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestRollcall(database.url);
  await server.environments.create({ environment: { key: 'default' } });
  await apply(server, PEOPLE);
});

afterAll(async () => {
  await server.stop();
  await database.drop();
});

const bytesOf = (document: unknown) => Buffer.from(JSON.stringify(document));
const send = (
  document: unknown,
  rest: { format?: DocumentFormat; mode?: ImportMode; dryRun?: boolean; key?: string } = {},
) => server.segments.import({ document: bytesOf(document), ...rest });
const get = async (key: string) => (await server.segments.get({ key })).segment;
const revision = async () => (await server.index.getStatus({ environment: 'default' })).environments[0]?.revision;
const latest = { level: { case: 'latest', value: true } } as const;

async function membersOf(key: string): Promise<string[]> {
  await eventually(async () => {
    const { pending } = await server.membership.count({ selector: segmentSelector(key), freshness: latest });
    if (pending) throw new Error(`${key} is still answered by its earlier definition`);
  });
  const messages = await readStream(server, { selector: segmentSelector(key), freshness: latest });
  return identifiersOf(messages).sort();
}

const conditionOf = (attribute: string, operator: string, value: unknown) => ({ attribute, operator, value });

const LITESTAR: readonly (readonly [string, unknown[], string[]])[] = [
  ['everyone', [], ['ada', 'bob', 'cyd', 'dan']],
  ['northern', [conditionOf('country', 'in', ['US', 'CA'])], ['ada', 'cyd']],
  ['elsewhere', [conditionOf('country', 'not_in', ['US', 'CA'])], ['bob', 'dan']],
  ['not-us', [conditionOf('country', 'ne', 'US')], ['bob', 'cyd', 'dan']],
  ['forty-one', [conditionOf('age', 'eq', 41)], ['ada']],
  ['text-41', [conditionOf('age', 'eq', '41')], ['cyd']],
  ['adults', [conditionOf('age', 'gte', 17.5)], ['ada']],
  ['new', [conditionOf('version', 'semver_gt', '1.9.9')], ['ada']],
  ['night', [conditionOf('seen', 'time_window', { start: '22:00', end: '06:00' })], ['ada']],
  ['before', [conditionOf('seen', 'date_before', '2024-05-01T23:00:00')], ['bob']],
  [
    'adult-northern',
    [{ attribute: '', operator: 'in_segment', value: 'northern' }, conditionOf('age', 'gt', 1)],
    ['ada'],
  ],
  ['not-northern', [{ attribute: '', operator: 'not_in_segment', value: 'northern' }], ['bob', 'dan']],
];

describe('segments of litestar-flags', () => {
  it('have the members that they have there, when they are built and after changes', async () => {
    const document = LITESTAR.map(([name, conditions]) => ({ name, conditions }));
    const { segments } = await send(document);
    expect(segments.map(({ outcome, enabled }) => [outcome, enabled])).toEqual(
      LITESTAR.map(() => [ImportOutcome.CREATED, true]),
    );
    expect(await get('northern')).toMatchObject({ dialect: Dialect.LITESTAR, name: 'northern', disabledReason: '' });
    for (const [name, , members] of LITESTAR) expect([name, await membersOf(name)]).toEqual([name, members]);

    await apply(server, [
      upsert('eve', PEOPLE[0]?.change?.case === 'upsert' ? (PEOPLE[0].change.value.traits ?? {}) : {}),
    ]);
    await apply(server, [upsert('eve', { age: int(41) })]);
    expect(await membersOf('not-us')).toEqual(['bob', 'cyd', 'dan', 'eve']);
    expect(await membersOf('forty-one')).toEqual(['ada', 'eve']);
    await apply(server, [remove('eve')]);
    for (const [name, , members] of LITESTAR) expect([name, await membersOf(name)]).toEqual([name, members]);
  });

  it('answer for traits given inline, explain themselves, and stand up to being verified', async () => {
    const check = async (traits: Record<string, ReturnType<typeof text> | ReturnType<typeof int>>) => {
      const { results } = await server.membership.checkMembership({
        environment: 'default',
        identity: { identity: { case: 'inline', value: { identifier: 'x', traits } } },
        segments: LITESTAR.map(([name]) => name),
      });
      return results.flatMap(({ segment, outcome }) => (outcome.case === 'member' && outcome.value ? [segment] : []));
    };
    expect(await check({ country: text('US'), age: int(41) })).toEqual([
      'everyone',
      'northern',
      'forty-one',
      'adults',
      'adult-northern',
    ]);
    expect(await check({})).toEqual(['everyone', 'elsewhere', 'not-us', 'not-northern']);
    const explained = await server.membership.explain({
      selector: segmentSelector('not-us'),
      identity: { identity: { case: 'identifier', value: 'dan' } },
    });
    expect(explained.root).toMatchObject({ truth: true, count: 3n });
    const verified = await server.index.verify({ environment: 'default' });
    expect(verified.differences).toEqual([]);
  });
});

describe('Mozhno', () => {
  it('rules make a segment under the key that is given', async () => {
    const rules = [
      { field: 'version', operator: 'gte', contextType: 'semver', values: ['1.10'] },
      { field: 'country', operator: 'not_in', values: ['DE'] },
    ];
    expect((await send(rules, { key: 'modern' })).segments).toMatchObject([
      { key: 'modern', outcome: ImportOutcome.CREATED },
    ]);
    expect(await membersOf('modern')).toEqual(['ada']);
    expect((await get('modern'))?.dialect).toBe(Dialect.MOZHNO);
    await send([{ field: 'country', operator: 'ne', values: ['US'] }], { key: 'not-us-there' });
    expect(await membersOf('not-us-there')).toEqual(['bob', 'cyd']);
  });
});

describe('a Flagsmith environment document', () => {
  const environment = (value: string) => ({
    id: 1,
    project: {
      segments: [
        {
          id: 12,
          name: 'Growth',
          rules: [{ type: 'ALL', rules: [], conditions: [{ property_: 'country', operator: 'EQUAL', value }] }],
        },
        {
          id: 13,
          name: 'Broken',
          rules: [{ type: 'ALL', rules: [], conditions: [{ property_: 'country', operator: 'SOUNDS_LIKE', value }] }],
        },
      ],
    },
  });

  it('is imported, compressed or not; importing it again changes nothing and takes no revision', async () => {
    const { segments } = await server.segments.import({ document: gzipSync(bytesOf(environment('US'))) });
    expect(segments).toMatchObject([
      { key: '12', name: 'Growth', outcome: ImportOutcome.CREATED, enabled: true, disabledReason: '' },
      {
        key: '13',
        outcome: ImportOutcome.CREATED,
        enabled: false,
        disabledReason: expect.stringMatching(/^UNKNOWN_OPERATOR: .*SOUNDS_LIKE/) as string,
      },
    ]);
    expect(await membersOf('12')).toEqual(['ada']);
    const before = await revision();
    const etag = (await get('12'))?.etag;
    expect((await send(environment('US'))).segments.map(({ outcome }) => outcome)).toEqual([
      ImportOutcome.UNCHANGED,
      ImportOutcome.UNCHANGED,
    ]);
    expect([await revision(), (await get('12'))?.etag]).toEqual([before, etag]);
  });

  it('shows why a segment is disabled wherever it is read; it has no members, and can be mended or deleted', async () => {
    const reason = expect.stringMatching(/^UNKNOWN_OPERATOR/) as string;
    expect(await get('13')).toMatchObject({
      enabled: false,
      disabledReason: reason,
      rules: [{ conditions: [{ operator: 'SOUNDS_LIKE' }] }],
    });
    const { segments } = await server.segments.list({});
    expect(segments.find(({ key }) => key === '13')).toMatchObject({ disabledReason: reason });
    expect(await membersOf('13')).toEqual([]);
    const rules = [all(condition('country', 'EQUAL', 'DE'))];
    await server.segments.update({ segment: { key: '13', rules, enabled: true } });
    expect(await get('13')).toMatchObject({ enabled: true, disabledReason: '' });
    expect(await membersOf('13')).toEqual(['bob']);
    await send(environment('US'));
    expect(await get('13')).toMatchObject({ enabled: false, disabledReason: reason });
    await server.segments.delete({ key: '13' });
  });

  it('changes only what differs, in one revision, and serves the new rules', async () => {
    const { segments } = await send(environment('CA'));
    expect(segments.map(({ outcome }) => outcome)).toEqual([ImportOutcome.UPDATED, ImportOutcome.CREATED]);
    expect(await membersOf('12')).toEqual(['cyd']);
    const before = (await revision()) ?? 0n;
    await send([1, 2, 3].map((n) => ({ name: `broken-${n}`, conditions: [conditionOf('a', 'resembles', n)] })));
    expect(await revision()).toBe(before + 1n);
  });

  it('is only looked at in a dry run, and replaces nothing where it may only create', async () => {
    const before = await revision();
    expect((await send(environment('FR'), { dryRun: true })).segments[0]?.outcome).toBe(ImportOutcome.UPDATED);
    expect(await refusal(send(environment('FR'), { mode: ImportMode.CREATE }))).toMatchObject({
      reason: 'SEGMENT_EXISTS',
      metadata: { segment: '12' },
    });
    expect((await send(environment('CA'), { mode: ImportMode.CREATE })).segments[0]?.outcome).toBe(
      ImportOutcome.UNCHANGED,
    );
    expect(await revision()).toBe(before);
  });
});

describe('a document with faults', () => {
  it('is refused with the place, and nothing of it is written', async () => {
    const before = await revision();
    const good = { name: 'good', conditions: [] };
    expect(await refusal(send([good, { name: 'bad', conditions: 5 }]))).toEqual({
      reason: 'INVALID_DOCUMENT',
      metadata: { pointer: '/1/conditions' },
    });
    expect(await refusal(send([good, good]))).toEqual({ reason: 'INVALID_DOCUMENT', metadata: { pointer: '/1' } });
    expect(await refusal(send([{ attribute: 'a', operator: 'eq', value: 1 }]))).toMatchObject({
      reason: 'INVALID_REQUEST',
      metadata: { field: 'key' },
    });
    expect(await refusal(send([]).then(() => send({})))).toMatchObject({ reason: 'INVALID_DOCUMENT' });
    const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024, ' '));
    expect(await refusal(server.segments.import({ document: bomb }))).toMatchObject({ reason: 'INVALID_DOCUMENT' });
    expect(await refusal(server.segments.import({ document: Buffer.alloc(0) }))).toMatchObject({
      reason: 'INVALID_REQUEST',
    });
    expect(await refusal(server.segments.get({ key: 'good' }))).toMatchObject({ reason: 'SEGMENT_NOT_FOUND' });
    expect(await revision()).toBe(before);
  });

  it('of one segment leaves that one disabled; two in a cycle can be deleted one after the other', async () => {
    const { segments } = await send([
      { name: 'one', conditions: [], parent: 'two' },
      { name: 'two', conditions: [], parent: 'one' },
      { name: 'lost', conditions: [], parent: 'nowhere' },
      { name: 'sound', conditions: [conditionOf('country', 'eq', 'US')] },
    ]);
    expect(segments.map(({ disabledReason }) => disabledReason.split(':')[0])).toEqual([
      'SEGMENT_CYCLE',
      'SEGMENT_CYCLE',
      'UNKNOWN_REFERENCE',
      '',
    ]);
    expect(await membersOf('sound')).toEqual(['ada']);
    for (const key of ['one', 'two', 'lost']) await server.segments.delete({ key });
  });
});

it('a segment of another dialect is written by Create too; in litestar-flags it may name others', async () => {
  const segment = (key: string, operator: string, value: string) => ({
    key,
    name: `The ${key}`,
    dialect: Dialect.LITESTAR,
    rules: [all(condition('country', operator, value))],
  });
  await server.segments.create({ segment: segment('german', 'eq', '"DE"') });
  expect(await membersOf('german')).toEqual(['bob']);
  await server.segments.create({ segment: segment('rest', 'not_in_segment', 'The german') });
  expect((await get('rest'))?.rules[0]?.conditions[0]?.operand).toEqual({ case: 'value', value: 'german' });
  expect(await membersOf('rest')).toEqual(['ada', 'cyd', 'dan']);
  expect(await refusal(server.segments.create({ segment: segment('bad', 'eq', 'DE') }))).toMatchObject({
    reason: 'INVALID_OPERAND',
  });
  expect(await refusal(server.segments.create({ segment: segment('bad', 'EQUAL', '"DE"') }))).toMatchObject({
    reason: 'UNKNOWN_OPERATOR',
  });
  await putSegment(server, 'flags', [all(condition('', 'in_segment', 'german'))]);
  expect(await membersOf('flags')).toEqual(['bob']);
});
