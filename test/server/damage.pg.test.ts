import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fold } from '../../src/indexing/fold.js';
import { startEmbeddedPostgres } from '../../src/storage/embedded/embedded-postgres.js';
import { findEnvironment } from '../../src/storage/environments.js';
import { compileCli } from '../cli/compiled-cli.js';
import { createDataDirectory, createTestDatabase } from '../helpers/postgres.js';
import type { TestDatabase } from '../helpers/postgres.js';
import {
  all,
  apply,
  condition,
  connectClients,
  eventually,
  identifiersOf,
  people,
  putSegment,
  readStream,
  reasonOf,
  refusal,
  segmentSelector,
  startTestRollcall,
  store,
  text,
  untilAnswered,
  upsert,
} from '../helpers/rollcall.js';
import type { TestRollcall } from '../helpers/rollcall.js';

const everyone = segmentSelector('everyone');
const even = segmentSelector('even');
const latest = { level: { case: 'latest' as const, value: true } };
const run = promisify(execFile);

async function prepare(server: TestRollcall): Promise<void> {
  await server.environments.create({ environment: { key: 'default' } });
  await putSegment(server, 'everyone', [all()]);
  await putSegment(server, 'even', [all(condition('even', 'EQUAL', 'yes'))]);
}

describe('stored bitmaps that are damaged (I9)', () => {
  let database: TestDatabase;
  let server: TestRollcall;

  beforeEach(async () => {
    database = await createTestDatabase();
    server = await startTestRollcall(database.url);
    await prepare(server);
    await store(server, database, 70_000);
    await apply(server, [upsert('even-one', { even: text('yes') })]);
    const environment = await findEnvironment(database.db.sql, 'default');
    while (!(await fold(database.db, environment?.id ?? 0, Number.MAX_SAFE_INTEGER)));
  });

  afterEach(async () => {
    await server.stop();
    await database.drop();
  });

  it.each([
    [
      'a byte is wrong',
      `update atom_chunk set bitmap = set_byte(bitmap, 40, get_byte(bitmap, 40) # 255) where atom_id = 1 and chunk = 0`,
    ],
    [
      'a row is cut short',
      `update atom_chunk set bitmap = substr(bitmap, 1, length(bitmap) - 3) where atom_id = 1 and chunk = 1`,
    ],
    ['a row is lost', `delete from atom_chunk where atom_id = 1 and chunk = 1`],
    ['a row of the universe is lost', `delete from atom_chunk where atom_id = 0 and chunk = 0`],
    [
      'a row is of another chunk',
      `update atom_chunk as damaged set bitmap = other.bitmap, crc32c = other.crc32c, cardinality = other.cardinality from atom_chunk as other where damaged.atom_id = 1 and damaged.chunk = 1 and other.atom_id = 1 and other.chunk = 0`,
    ],
  ])('%s: never used, reported, built again, and then right', async (_, damage) => {
    await database.db.sql.unsafe(damage);
    const other = await startTestRollcall(database.url);
    try {
      expect(['INDEX_CORRUPT', 'ATOM_BUILDING']).toContain(
        (await refusal(other.membership.count({ selector: even }))).reason,
      );
      const counted = await untilAnswered(() => other.membership.count({ selector: even, freshness: latest }));
      expect(counted.count).toBe(35_001n);
      expect(identifiersOf(await readStream(other, { selector: even })).length).toBe(35_001);
      expect((await other.index.verify({ environment: 'default' })).differences).toEqual([]);
      expect(other.warnings.some((line) => line.includes('damaged'))).toBe(true);
      expect((await untilAnswered(() => server.membership.count({ selector: even, freshness: latest }))).count).toBe(
        35_001n,
      );
    } finally {
      await other.stop();
    }
  });
});

describe('a full disk', () => {
  it('as Postgres tells of it refuses what writes, changes nothing, and passes', async () => {
    const database = await createTestDatabase();
    const server = await startTestRollcall(database.url);
    await prepare(server);
    await apply(server, people(10));
    await database.db.sql.unsafe(`
      create function refuse() returns trigger language plpgsql as $$ begin raise exception 'could not extend file' using errcode = '53100'; end $$;
      create trigger full_log before insert on atom_log execute function refuse();
      create trigger full_chunks before insert or update on atom_chunk execute function refuse()`);
    expect((await refusal(apply(server, people(20)))).reason).toBe('STORAGE_FULL');
    expect((await refusal(server.segments.create({ segment: { key: 'new', rules: [all()] } }))).reason).toBe(
      'STORAGE_FULL',
    );
    expect((await server.membership.count({ selector: everyone, freshness: latest })).count).toBe(10n);
    expect(identifiersOf(await readStream(server, { selector: even })).length).toBe(5);
    await database.db.sql.unsafe('drop trigger full_log on atom_log; drop trigger full_chunks on atom_chunk');
    const revision = await apply(server, people(20));
    expect(
      (
        await server.membership.count({
          selector: everyone,
          freshness: { level: { case: 'atLeastRevision', value: revision } },
        })
      ).count,
    ).toBe(20n);
    expect((await server.index.verify({ environment: 'default' })).differences).toEqual([]);
    await server.stop();
    await database.drop();
  });

  const folders: string[] = [];
  afterEach(async () => {
    for (const folder of folders.splice(0)) {
      await run('umount', ['--lazy', folder]);
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('that is real refuses changes, loses nothing that was acknowledged, and passes when there is room again', async ({
    skip,
  }) => {
    const folder = await createDataDirectory();
    await run('mount', ['-t', 'tmpfs', '-o', 'size=160m,mode=711', 'tmpfs', folder]).then(
      () => folders.push(folder),
      () => {
        skip('only root can mount a small disk');
      },
    );
    const dataDirectory = join(folder, 'data');
    await mkdir(dataDirectory, { mode: 0o711 });
    const settings = { fsync: 'off', min_wal_size: '32MB', max_wal_size: '48MB' };
    const postgres = await startEmbeddedPostgres({ dataDirectory, log: () => undefined, settings });
    const server = await startTestRollcall(postgres.url);
    await prepare(server);
    const ballast = join(folder, 'ballast');
    const { stdout } = await run('df', ['--output=avail', '-B1', folder]);
    await writeFile(ballast, Buffer.alloc(Math.max(0, Number(stdout.split('\n')[1]) - 4 * 2 ** 20)));
    const large = () => text(randomBytes(45_000).toString('base64'));
    let taken = 0;
    const fill = async (): Promise<void> => {
      for (; taken < 2_000; taken += 50)
        await apply(
          server,
          Array.from({ length: 50 }, (_, n) => upsert(`large-${taken + n}`, { large: large(), even: text('yes') })),
        );
    };
    const refused = await refusal(fill());
    expect(['STORAGE_FULL', 'DATABASE_UNAVAILABLE']).toContain(refused.reason);
    await rm(ballast);
    const counted = await eventually(
      () => server.membership.count({ selector: everyone, freshness: latest }),
      (error) => reasonOf(error) === 'DATABASE_UNAVAILABLE',
    );
    expect(counted.count).toBeGreaterThanOrEqual(BigInt(taken));
    await eventually(() => apply(server, people(100)));
    expect((await eventually(() => server.index.verify({ environment: 'default' }))).differences).toEqual([]);
    await server.stop();
    await postgres.stop();
  });
});

describe('a server that is killed', () => {
  it('while it applies and builds leaves nothing half done, and another goes on', async () => {
    const [database, cli] = await Promise.all([createTestDatabase(), compileCli()]);
    const first = cli.start([
      'serve',
      '--grpc-port',
      '0',
      '--http-port',
      '0',
      '--database-url',
      database.url,
      '--log-level',
      'error',
      '--json',
    ]);
    const [line] = (await once(createInterface({ input: first.stdout }), 'line')) as [string];
    const clients = connectClients(Number((JSON.parse(line) as { grpcAddress: string }).grpcAddress.split(':').at(-1)));
    await clients.environments.create({ environment: { key: 'default' } });
    await store(clients, database, 60_000);
    await putSegment(clients, 'everyone', [all()]);
    await clients.segments.create({
      segment: { key: 'built', rules: [all(condition('$.identity.identifier', 'REGEX', '.*7$'))] },
    });
    let acknowledged = 0;
    const applying = (async () => {
      for (; ; acknowledged++) await apply(clients, people(500, `batch-${acknowledged}`));
    })().catch(() => undefined);
    await expect.poll(() => acknowledged, { interval: 5, timeout: 10_000 }).toBeGreaterThan(2);
    await sleep(37);
    first.kill('SIGKILL');
    await Promise.all([once(first, 'exit'), applying]);
    clients.disconnect();
    const second = await startTestRollcall(database.url);
    const { count } = await second.membership.count({ selector: everyone, freshness: latest });
    expect([60_000 + acknowledged * 500, 60_000 + (acknowledged + 1) * 500]).toContain(Number(count));
    await database.db.sql`update atom set lease_until = now() where state = 'building'`;
    const built = await untilAnswered(() =>
      second.membership.count({ selector: segmentSelector('built'), freshness: latest }),
    );
    expect(built.count).toBe(6_000n + BigInt(((Number(count) - 60_000) / 500) * 50));
    expect((await second.index.verify({ environment: 'default' })).differences).toEqual([]);
    await second.stop();
    await Promise.all([database.drop(), cli.remove()]);
  });
});
