import { fromJson, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type AuditEntry, AuditSubject } from '../../src/gen/rollcall/v1/audit_service_pb.js';
import { type Segment, SegmentSchema } from '../../src/gen/rollcall/v1/segment_pb.js';
import { createTestDatabase } from '../helpers/postgres.js';
import type { TestDatabase } from '../helpers/postgres.js';
import { all, condition, startTestRollcall } from '../helpers/rollcall.js';
import type { RuleInit, TestRollcall } from '../helpers/rollcall.js';

let database: TestDatabase;
let server: TestRollcall;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestRollcall(database.url);
});

afterAll(async () => {
  await server.stop();
  await database.drop();
});

const KEYS = ['a', 'b', 'c', 'd'];
const key = fc.constantFrom(...KEYS);
const value = fc.constantFrom('free', 'pro', 'ünïcode "text"', '');
const operand = fc.oneof(
  value.map((text) => condition('plan', 'EQUAL', text)),
  fc.constant({ property: 'plan', operator: 'IN', operand: { case: 'list' as const, value: 'plans' } }),
  key.map((of) => condition('', 'in_segment', of)),
);
const rules = fc.array(
  fc.array(operand, { maxLength: 2 }).map((conditions): RuleInit => all(...conditions)),
  {
    maxLength: 2,
  },
);
const segment = fc.record({
  key,
  name: value,
  rules,
  parent: fc.constantFrom('', ...KEYS),
  enabled: fc.boolean(),
  description: value,
});

type SegmentInit = MessageInitShape<typeof SegmentSchema>;

type Write =
  | { readonly kind: 'create' | 'update'; readonly segment: SegmentInit }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'list'; readonly values: readonly string[] }
  | { readonly kind: 'import'; readonly names: readonly string[]; readonly value: string; readonly isDryRun: boolean };

const write: fc.Arbitrary<Write> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('create' as const), segment }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('update' as const), segment }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('list' as const), values: fc.uniqueArray(value) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('import' as const),
      names: fc.uniqueArray(key),
      value,
      isDryRun: fc.boolean(),
    }),
  },
);

async function run(project: string, one: Write): Promise<unknown> {
  switch (one.kind) {
    case 'create':
      return server.segments.create({ segment: { project, ...one.segment } });
    case 'update':
      return server.segments.update({ segment: { project, ...one.segment } });
    case 'delete':
      return server.segments.delete({ project, key: one.key });
    case 'list':
      return server.segments.putList([{ project, name: 'plans', values: [...one.values] }]);
    case 'import': {
      const conditions = [{ attribute: 'plan', operator: 'eq', value: one.value }];
      const document = Buffer.from(JSON.stringify(one.names.map((name) => ({ name, conditions }))));
      return server.segments.import({ project, document, dryRun: one.isDryRun });
    }
  }
}

async function entriesOf(project: string): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for (let pageToken = ''; ;) {
    const page = await server.audit.listAuditEntries({ project, pageSize: 7, pageToken });
    entries.push(...page.entries);
    pageToken = page.nextPageToken;
    if (pageToken === '') return entries.reverse();
  }
}

/** The segments that the entries say there are, by key. Each entry goes on from the one before. */
function replay(entries: readonly AuditEntry[]): Segment[] {
  const segments = new Map<string, Segment>();
  for (const { subject, key: of, before, after } of entries) {
    if (subject !== AuditSubject.SEGMENT) continue;
    expect(before === undefined ? undefined : fromJson(SegmentSchema, before)).toEqual(segments.get(of));
    expect(before).not.toEqual(after);
    if (after === undefined) segments.delete(of);
    else segments.set(of, fromJson(SegmentSchema, after));
  }
  return [...segments.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

it('the entries, one after the other, lead to the segments as they are, whatever was written at the same time', async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(write, { maxLength: 4 }), { maxLength: 12 }), async (steps) => {
      const project = `replayed-${runs++}`;
      await server.environments.create({ environment: { key: project, project } });
      for (const writes of steps) await Promise.allSettled(writes.map((one) => run(project, one)));
      const { segments } = await server.segments.list({ project });
      expect(replay(await entriesOf(project))).toEqual(segments);
    }),
    { numRuns: 15 },
  );
}, 120_000);
