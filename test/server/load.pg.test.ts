import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BackfillState,
  BadRowPolicy,
  ColumnType,
  FileFormat,
  type LoadRequestSchema,
  type LoadStartSchema,
} from '../../src/gen/rollcall/v1/index_service_pb.js';
import { RuleType } from '../../src/gen/rollcall/v1/segment_pb.js';
import {
  all,
  apply,
  condition,
  connectClients,
  draftSelector,
  eventually,
  int,
  putSegment,
  reasonOf,
  segmentSelector,
  startTestRollcall,
  upsert,
} from '../helpers/rollcall.js';
import type { TestRollcall } from '../helpers/rollcall.js';
import { errorInfoOf, errorOf } from '../helpers/grpc-client.js';
import { createTestDatabase } from '../helpers/postgres.js';
import type { TestDatabase } from '../helpers/postgres.js';

type Start = MessageInitShape<typeof LoadStartSchema>;
type Request = MessageInitShape<typeof LoadRequestSchema>;

let database: TestDatabase;
let server: TestRollcall;
let environments = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestRollcall(database.url);
});

afterAll(async () => {
  await server.stop();
  await database.drop();
});

async function createEnvironment(): Promise<string> {
  const key = `load-${++environments}`;
  await server.environments.create({ environment: { key } });
  return key;
}

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, n) => `{"identifier":"person-${from + n}","traits":{"n":${from + n}}}\n`).join(
    '',
  );

function* pieces(start: Start, content: string | Buffer, pieceBytes = 64 * 1024): Generator<Request> {
  yield { part: { case: 'start', value: { format: FileFormat.NDJSON, fileName: 'people', ...start } } };
  const bytes = Buffer.from(content);
  for (let at = 0; at < bytes.length; at += pieceBytes)
    yield { part: { case: 'data', value: bytes.subarray(at, at + pieceBytes) } };
}

const load = (start: Start, content: string | Buffer, pieceBytes?: number) =>
  server.index.load(pieces(start, content, pieceBytes));

/** What is stored, by identifier. */
async function storedIn(environment: string): Promise<Record<string, unknown>> {
  const rows = await database.db.sql<{ identifier: string; traits: string }[]>`
    select identifier, traits::text as traits from identity join environment on environment.id = environment_id
    where environment.key = ${environment} and deleted_revision is null order by identity.id`;
  return Object.fromEntries(rows.map(({ identifier, traits }) => [identifier, traits]));
}

async function countIn(environment: string): Promise<number> {
  return Object.keys(await storedIn(environment)).length;
}

const newest = async (environment: string) => (await server.index.getBackfill({ environment })).backfill;

/** Begins a load that sends what it is given, piece by piece, and stays open until it is told to end. */
function openLoad(start: Start, signal?: AbortSignal) {
  const waiting: (Request | undefined)[] = [...pieces(start, '')];
  let wake: () => void = () => undefined;
  const put = (request: Request | undefined): void => {
    waiting.push(request);
    wake();
  };
  async function* requests(): AsyncGenerator<Request> {
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) yield next;
      else if (waiting.length > 0 || isOver) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }
  let isOver = false;
  const answer = server.index.load(requests(), signal === undefined ? {} : { signal });
  answer.catch(() => undefined);
  return {
    answer,
    send: (content: string) => put({ part: { case: 'data', value: Buffer.from(content) } }),
    end: () => {
      isOver = true;
      wake();
    },
  };
}

describe('a load', () => {
  it('upserts each line, sent plain or gzip, in pieces of any size', async () => {
    const environment = await createEnvironment();
    const content =
      '{"identifier":"ada","traits":{"a":1,"b":1.0,"c":"é","d":123456789012345678901,"e":null}}\n{"identifier":"ben"}';
    const { backfill, revision } = await load({ environment, sizeBytes: BigInt(content.length) }, content, 1);
    expect(backfill).toMatchObject({
      state: BackfillState.DONE,
      source: 'people',
      sweeps: false,
      identitiesRead: 2n,
      identitiesChanged: 2n,
    });
    expect(revision).toBeGreaterThan(0n);
    expect(await storedIn(environment)).toEqual({
      ada: '{"a": 1, "b": 1.0, "c": "é", "d": 123456789012345678901}',
      ben: '{}',
    });
    const again = await load({ environment }, gzipSync(content), 1);
    expect(again.backfill).toMatchObject({ identitiesRead: 2n, identitiesChanged: 0n });
  });

  it('of pages of new identities, of which some repeat a trait, an identifier or one of a page before, fills the atoms', async () => {
    const environment = await createEnvironment();
    const segment = `odd-${environment}`;
    await putSegment(server, segment, [all(condition('odd', 'EQUAL', 'yes'))], environment);
    const line = (n: number) =>
      `{"identifier":"user-${n}","traits":{"n":${n},"odd":"${n % 2 === 1 ? 'yes' : 'no'}"}}\n`;
    const rows = Array.from({ length: 22_000 }, (_, n) => line(n));
    rows[7_001] = '{"identifier":"user-7001","traits":{"odd":"yes","n":1,"odd":"no"}}\n';
    rows[12_002] = line(12_001).replace('yes', 'no');
    rows[17_001] = line(3).replace('yes', 'no');
    const { backfill } = await load({ environment }, rows.join(''));
    expect(backfill).toMatchObject({ state: BackfillState.DONE, identitiesRead: 22_000n });
    const { count } = await server.membership.count({
      selector: segmentSelector(segment, environment),
      freshness: { level: { case: 'latest', value: true } },
    });
    // Odd ones but for 7001, 12001, 3 and 17001, which is not there.
    expect(count).toBe(10_996n);
    expect(await countIn(environment)).toBe(21_998);
    expect((await server.index.verify({ environment })).differences).toEqual([]);
  });

  it('reads ten columns of CSV by their types, over lines and quotes', async () => {
    const environment = await createEnvironment();
    const header = 'email,a,b,c,d,e,f,g,h,i\n';
    const { INT, FLOAT, BOOL } = ColumnType;
    const start = {
      environment,
      format: FileFormat.CSV,
      identifierColumn: 'email',
      columnTypes: { a: INT, b: FLOAT, c: BOOL },
    };
    await load(
      start,
      `\uFEFF${header}ada,1,2,TRUE,"x,\r\ny","say ""hi""",007,,é,z\r\nben,-12345678901234567890,1.50,false,,,,,,\r\n`,
      7,
    );
    expect(await storedIn(environment)).toEqual({
      ada: '{"a": 1, "b": 2.0, "c": true, "d": "x,\\r\\ny", "e": "say \\"hi\\"", "f": "007", "h": "é", "i": "z"}',
      ben: '{"a": -12345678901234567890, "b": 1.5, "c": false}',
    });
  });

  it('that is complete removes who is not in the file, but for those that came meanwhile', async () => {
    const environment = await createEnvironment();
    await load({ environment }, lines(0, 10));
    const open = openLoad({ environment, complete: true });
    open.send(lines(0, 4));
    await eventually(async () => expect(await newest(environment)).toMatchObject({ state: BackfillState.RUNNING }));
    await apply(server, [
      upsert('newcomer', { n: int(1) }, environment),
      upsert('person-2', { n: int(22) }, environment),
    ]);
    open.send(lines(4, 5));
    open.end();
    const { backfill } = await open.answer;
    expect(backfill).toMatchObject({ state: BackfillState.DONE, sweeps: true, identitiesSwept: 5n });
    const stored = await storedIn(environment);
    expect(Object.keys(stored).sort()).toEqual([
      'newcomer',
      'person-0',
      'person-1',
      'person-2',
      'person-3',
      'person-4',
    ]);
    expect(stored['person-2']).toBe('{"n": 22}');
  });

  it('that is complete and the first of an empty environment is waited for by reads, and a failed one never counts as all there is', async () => {
    const environment = await createEnvironment();
    const everyone = () =>
      server.membership.count({
        selector: draftSelector([{ type: RuleType.ALL }], environment),
        freshness: { level: { case: 'latest', value: true } },
      });
    expect(await everyone()).toMatchObject({ count: 0n });
    const open = openLoad({ environment, complete: true });
    open.send(lines(0, 5_000));
    await eventually(async () => expect(await countIn(environment)).toBeGreaterThan(0));
    expect(await newest(environment)).toMatchObject({ state: BackfillState.RUNNING, first: true });
    expect(reasonOf(await errorOf(everyone()))).toBe('ENVIRONMENT_LOADING');
    open.send('no json\n');
    open.end();
    expect(reasonOf(await errorOf(open.answer))).toBe('INVALID_DOCUMENT');
    expect(reasonOf(await errorOf(everyone()))).toBe('ENVIRONMENT_FAILED');
    await load({ environment, complete: true }, lines(0, 10));
    expect(await everyone()).toMatchObject({ count: 10n });
    await errorOf(load({ environment, complete: true }, 'no json\n'));
    expect(await everyone()).toMatchObject({ count: 10n });
  });

  it('beside another one of the environment is refused', async () => {
    const environment = await createEnvironment();
    const open = openLoad({ environment });
    await eventually(async () => expect(await newest(environment)).toMatchObject({ state: BackfillState.RUNNING }));
    expect(reasonOf(await errorOf(load({ environment }, lines(0, 1))))).toBe('BACKFILL_RUNNING');
    open.send(lines(0, 3));
    open.end();
    expect((await open.answer).backfill).toMatchObject({ identitiesRead: 3n });
  });

  it('without a start, with two of them, or of ids where none belong is refused', async () => {
    const environment = await createEnvironment();
    const data: Request = { part: { case: 'data', value: Buffer.from('x') } };
    expect(reasonOf(await errorOf(load({ environment, resume: true }, '')))).toBe('BACKFILL_NOT_FOUND');
    expect(reasonOf(await errorOf(server.index.load([data])))).toBe('INVALID_REQUEST');
    expect(
      reasonOf(await errorOf(server.index.load([...pieces({ environment }, ''), ...pieces({ environment }, '')]))),
    ).toBe('INVALID_REQUEST');
    expect(reasonOf(await errorOf(load({ environment, idColumn: 'id' }, '{"identifier":"ada","id":1}')))).toBe(
      'IDENTITY_ID_NOT_ALLOWED',
    );
    expect(reasonOf(await errorOf(load({ environment: 'absent' }, '')))).toBe('ENVIRONMENT_NOT_FOUND');
  });
});

describe('rows that cannot be taken', () => {
  const bad = [
    '{"identifier":"a"}',
    'not json',
    '{"identifier":""}',
    '{"identifier":"b","x":"\\ud800"}',
    '{"identifier":"c","x":"\\u0000"}',
    '{"identifier":"\\u0000"}',
    `{"identifier":"${'x'.repeat(2_001)}"}`,
    '{"identifier":"d","x":"\u0001"}',
    `{"identifier":"e","x":${'['.repeat(40)}${']'.repeat(40)}}`,
    '{"identifier":"z"}',
  ];
  const content = Buffer.concat([Buffer.from(bad.join('\n')), Buffer.from([0x0a, 0x22, 0xff, 0x22, 0x0a])]);

  it('are left out and counted where that is asked for', async () => {
    const environment = await createEnvironment();
    const { backfill } = await load({ environment, badRows: BadRowPolicy.SKIP }, content);
    expect(backfill).toMatchObject({ state: BackfillState.DONE, identitiesRead: 2n, rowsSkipped: 9n });
    expect(backfill?.skipped.map(({ place }) => place)).toEqual(
      [2, 3, 4, 5, 6, 7, 8, 9, 11].map((line) => `line ${line}`),
    );
    expect(Object.keys(await storedIn(environment))).toEqual(['a', 'z']);
  });

  it('end the load, naming the line; what came before stays, and the mended file goes on', async () => {
    const environment = await createEnvironment();
    const error = await errorOf(load({ environment }, content));
    expect(errorInfoOf(error)).toMatchObject({ reason: 'INVALID_DOCUMENT', metadata: { line: '2' } });
    expect(Object.keys(await storedIn(environment))).toEqual(['a']);
    expect(await newest(environment)).toMatchObject({
      state: BackfillState.FAILED,
      error: 'INVALID_DOCUMENT: line 2: the line is not JSON',
    });
    const { backfill } = await load({ environment, resume: true }, `${bad[0] ?? ''}\n{"identifier":"mended"}\n`);
    expect(backfill).toMatchObject({ state: BackfillState.DONE, resumed: 1, identitiesRead: 2n });
    expect(Object.keys(await storedIn(environment))).toEqual(['a', 'mended']);
  });

  it('of a CSV file are ragged ones and cells that have not their type; wrong quotes end it always', async () => {
    const environment = await createEnvironment();
    const start = {
      environment,
      format: FileFormat.CSV,
      badRows: BadRowPolicy.SKIP,
      columnTypes: { n: ColumnType.INT },
    };
    const { backfill } = await load(start, 'identifier,n\nada,1\nben\ncyd,2,3\ndan,x\neve,5\n');
    expect(backfill?.skipped.map(({ place, explanation }) => `${place}: ${explanation}`)).toEqual([
      'line 3: the row has 1 cells, the header 2',
      'line 4: the row has 3 cells, the header 2',
      'line 5: "x" in the column n is no int',
    ]);
    expect(errorInfoOf(await errorOf(load(start, 'identifier,n\nada,"1"2\n')))).toMatchObject({
      reason: 'INVALID_DOCUMENT',
      metadata: { line: '2' },
    });
    expect(reasonOf(await errorOf(load(start, '')))).toBe('INVALID_DOCUMENT');
  });

  it('that repeat an identifier count as they come: the last stays', async () => {
    const environment = await createEnvironment();
    await load({ environment }, '{"identifier":"ada","n":1}\n{"identifier":"ben"}\n{"identifier":"ada","n":2}\n');
    expect(await storedIn(environment)).toEqual({ ada: '{"n": 2}', ben: '{}' });
  });
});

describe('a load that is cut off', () => {
  const MANY = 12_000;

  /** Sends a good half of a file and is gone. */
  async function cutOff(environment: string, complete = false): Promise<bigint> {
    const gone = new AbortController();
    const open = openLoad({ environment, complete }, gone.signal);
    open.send(lines(0, MANY / 2));
    await eventually(async () => expect((await newest(environment))?.identitiesRead).toBe(5_000n));
    gone.abort();
    await eventually(async () => expect((await newest(environment))?.state).toBe(BackfillState.FAILED));
    return (await newest(environment))?.identitiesRead ?? 0n;
  }

  it('has failed, and goes on after its last committed line', async () => {
    const environment = await createEnvironment();
    const read = await cutOff(environment);
    expect(read).toBeLessThan(BigInt(MANY / 2));
    expect(await newest(environment)).toMatchObject({ error: expect.stringMatching(/^CANCELLED/) as unknown });
    const { backfill } = await load({ environment, resume: true }, lines(0, MANY));
    expect(backfill).toMatchObject({ state: BackfillState.DONE, resumed: 1, identitiesRead: BigInt(MANY) });
    expect(await countIn(environment)).toBe(MANY);
  });

  it('and was complete sweeps at the end of the second part, and gzip makes no difference', async () => {
    const environment = await createEnvironment();
    await load({ environment }, lines(MANY, MANY + 5));
    await cutOff(environment, true);
    expect(await countIn(environment)).toBeGreaterThan(5);
    const { backfill } = await load({ environment, resume: true }, gzipSync(lines(0, MANY)));
    expect(backfill).toMatchObject({ sweeps: true, identitiesSwept: 5n, identitiesRead: BigInt(MANY) });
    expect(await countIn(environment)).toBe(MANY);
  });

  it('does not go on with another file, nor with one that is too short', async () => {
    const environment = await createEnvironment();
    await cutOff(environment);
    const other = await errorOf(load({ environment, resume: true }, lines(1, MANY)));
    expect(errorInfoOf(other)).toMatchObject({ reason: 'INVALID_DOCUMENT' });
    expect(reasonOf(await errorOf(load({ environment, resume: true }, lines(0, 10))))).toBe('INVALID_DOCUMENT');
    expect(await countIn(environment)).toBe(5_000);
    await load({ environment, resume: true }, lines(0, MANY));
    expect(await countIn(environment)).toBe(MANY);
  });

  it('may as well be started again, or cancelled', async () => {
    const environment = await createEnvironment();
    await cutOff(environment);
    expect((await load({ environment }, lines(0, 3))).backfill).toMatchObject({ resumed: 0, identitiesRead: 3n });
    await cutOff(environment);
    await server.index.cancelBackfill({ environment });
    expect(reasonOf(await errorOf(load({ environment, resume: true }, lines(0, MANY))))).toBe('BACKFILL_NOT_FOUND');
  });

  it('by its deadline has failed, though the sender only waits', async () => {
    const environment = await createEnvironment();
    async function* slow(): AsyncGenerator<Request> {
      yield* pieces({ environment }, lines(0, 10));
      await sleep(3_000);
    }
    const error = await errorOf(server.index.load(slow(), { timeoutMs: 700 }));
    expect(error).toMatchObject({ code: 4 });
    await eventually(async () => expect((await newest(environment))?.state).toBe(BackfillState.FAILED));
  });

  it('by a cancellation ends at once, though the sender only waits', async () => {
    const environment = await createEnvironment();
    const open = openLoad({ environment });
    open.send(lines(0, MANY / 2));
    await eventually(async () => expect((await newest(environment))?.identitiesRead).toBe(5_000n));
    await server.index.cancelBackfill({ environment });
    open.send(lines(MANY / 2, MANY));
    open.end();
    expect(reasonOf(await errorOf(open.answer))).toBe('CANCELLED');
    expect(await newest(environment)).toMatchObject({ state: BackfillState.CANCELLED });
  });

  it('by an end before the size that was announced has failed, and sweeps nothing', async () => {
    const environment = await createEnvironment();
    await load({ environment }, lines(0, 20));
    const sizeBytes = BigInt(lines(0, 10).length);
    const error = await errorOf(load({ environment, complete: true, sizeBytes }, lines(0, 9)));
    expect(reasonOf(error)).toBe('SOURCE_UNAVAILABLE');
    expect(await countIn(environment)).toBe(20);
    await load({ environment, resume: true, sizeBytes }, lines(0, 10));
    expect(await countIn(environment)).toBe(10);
  });

  it('by gzip that ends half-way or is damaged says so', async () => {
    const environment = await createEnvironment();
    const packed = gzipSync(lines(0, 1_000));
    expect(reasonOf(await errorOf(load({ environment }, packed.subarray(0, 500))))).toBe('INVALID_DOCUMENT');
    expect(
      reasonOf(await errorOf(load({ environment }, Buffer.concat([packed.subarray(0, 20), packed.subarray(40)])))),
    ).toBe('INVALID_DOCUMENT');
  });

  it('by its server is taken up by another one, with the same file', async () => {
    const environment = await createEnvironment();
    const other = await startTestRollcall(database.url);
    const clients = connectClients(other.grpcPort);
    async function* requests(): AsyncGenerator<Request> {
      yield* pieces({ environment }, lines(0, MANY / 2));
      await sleep(60_000, undefined, { ref: false });
    }
    clients.index.load(requests()).catch(() => undefined);
    await eventually(async () => expect((await newest(environment))?.identitiesRead).toBe(5_000n));
    clients.disconnect();
    await other.stop();
    await eventually(async () => expect((await newest(environment))?.state).toBe(BackfillState.FAILED));
    await load({ environment, resume: true }, lines(0, MANY));
    expect(await countIn(environment)).toBe(MANY);
  });
});
