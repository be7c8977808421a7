import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SourceKind } from '../../../src/gen/rollcall/v1/environment_service_pb.js';
import { EnvironmentState } from '../../../src/gen/rollcall/v1/index_service_pb.js';
import { Gate, WhenOff } from '../../../src/gen/rollcall/v1/organisation_service_pb.js';
import { type FlagdServer, only, startFlagd } from '../../helpers/flagd-server.js';
import { createFlagsmith, type Flagsmith, insertIdentities } from '../../helpers/flagsmith.js';
import { createTestDatabase, type TestDatabase } from '../../helpers/postgres.js';
import {
  all,
  apply,
  condition,
  draftSelector,
  eventually,
  people,
  putSegment,
  readStream,
  reasonOf,
  refusal,
  segmentSelector,
  startTestRollcall,
  store,
  type TestRollcall,
  untilAnswered,
} from '../../helpers/rollcall.js';

const PEOPLE = 2_000;
const EVEN = [all(condition('even', 'EQUAL', 'yes'))];
const AT_ONCE_MS = 1_500;

let flagd: FlagdServer;
let database: TestDatabase;
let server: TestRollcall;

beforeEach(async () => {
  database = await createTestDatabase();
  flagd = await startFlagd(only('acme', 'other'));
});
afterEach(async () => {
  await server.stop();
  flagd.stop();
  await database.drop();
});

async function start(flags: Record<string, string> = {}): Promise<void> {
  const own = { flagProvider: 'flagd', flagdHost: '127.0.0.1', flagdPort: String(flagd.port), gateIntervalMs: '200' };
  server = await startTestRollcall(database.url, { ...own, ...flags });
}

/** Two organisations with an environment each of the same name, people, and a segment of half of them. */
async function populate(): Promise<void> {
  for (const key of ['acme', 'other']) {
    await server.environments.create({ environment: { key, organisation: key } });
    await apply(server, people(PEOPLE, 'person', key));
  }
  await putSegment(server, 'even', EVEN, 'acme');
  await untilAnswered(() => count('other'));
}

const count = async (environment: string, latest = false): Promise<bigint> => {
  const freshness = latest ? { level: { case: 'latest' as const, value: true } } : {};
  return (await server.membership.count({ selector: segmentSelector('even', environment), freshness })).count;
};

const refusedWith = async (reason: string, environment = 'acme') => {
  const error = await refusal(count(environment));
  expect(error.reason).toBe(reason);
  return error.metadata;
};

const untilRefused = (reason: string, environment = 'acme') =>
  eventually(
    () => refusedWith(reason, environment),
    (error) => !(error instanceof Error && 'code' in error),
  );

const statusOf = async (environment: string) => (await server.index.getStatus({ environment })).environments[0];

const stored = async (): Promise<number> => {
  const [row] = await database.db.sql<{ count: number }[]>`
    select count(*)::int as count from identity join environment on environment.id = environment_id
    where environment.key = 'acme' and environment.deleted_at is null and deleted_revision is null`;
  return row?.count ?? -1;
};

describe('an organisation whose flag is turned off', () => {
  it('refuses reads and changes at once, while others go on', async () => {
    await start();
    await populate();
    const seen = { acme: new Set<string>(), other: new Set<string>() };
    let isOver = false;
    const load = (['acme', 'other'] as const).flatMap((environment) => [
      (async () => {
        while (!isOver)
          seen[environment].add(await count(environment).then(String, (error: unknown) => String(reasonOf(error))));
      })(),
      (async () => {
        for (let n = 0; !isOver; n++)
          await apply(server, people(20, `new-${n}`, environment)).catch((error: unknown) =>
            seen[environment].add(`apply ${String(reasonOf(error))}`),
          );
      })(),
    ]);
    await sleep(300);
    flagd.letIn('other');
    const turnedAt = performance.now();
    await untilRefused('INDEX_OFF');
    expect(performance.now() - turnedAt).toBeLessThan(AT_ONCE_MS);
    await sleep(200);
    expect((await refusal(count('acme', true))).reason).toBe('INDEX_OFF');
    expect((await refusal(apply(server, people(1, 'late', 'acme')))).reason).toBe('INDEX_OFF');
    isOver = true;
    await Promise.all(load);
    expect([...seen.acme].filter((answer) => !/^\d+$/.test(answer)).sort()).toEqual(['INDEX_OFF', 'apply INDEX_OFF']);
    expect([...seen.other].filter((answer) => !/^\d+$/.test(answer))).toEqual([]);
    expect(await refusedWith('INDEX_OFF')).toMatchObject({ gate: 'flag', environment: 'acme', organisation: 'acme' });
    expect(await statusOf('acme')).toMatchObject({ state: EnvironmentState.OFF, stateReason: 'INDEX_OFF: flag' });
    expect(await statusOf('other')).toMatchObject({ state: EnvironmentState.READY });
  });

  it('refuses every kind of read', async () => {
    await start();
    await populate();
    flagd.letIn('other');
    await untilRefused('INDEX_OFF');
    const selector = segmentSelector('even', 'acme');
    const identity = { identity: { case: 'identifier' as const, value: 'person-1' } };
    const stream = async (): Promise<void> => {
      await readStream(server, { selector });
    };
    const calls = [
      () => server.membership.sample({ selector }),
      () => server.membership.listMembers({ selector }),
      () => stream(),
      () => server.membership.checkMembership({ environment: 'acme', identity, segments: ['even'] }),
      () => server.membership.explain({ selector, identity }),
      () => server.membership.count({ selector: draftSelector(EVEN, 'acme') }),
      () => server.membership.count({ selector: draftSelector([all(condition('n', 'EQUAL', '7'))], 'acme') }),
      () => server.index.verify({ environment: 'acme' }),
      () => server.index.rebuildAtom({ environment: 'acme', atomId: 0n }),
    ];
    for (const call of calls) expect((await refusal(call())).reason).toBe('INDEX_OFF');
  });

  it('ends a stream that runs', async () => {
    await start();
    await server.environments.create({ environment: { key: 'acme', organisation: 'acme' } });
    await putSegment(server, 'even', EVEN, 'acme');
    await store(server, database, 200_000, `'a-person-with-a-rather-long-identifier-' || n`, 'acme');
    await eventually(async () => expect(await count('acme', true)).toBe(100_000n));
    const read = async (): Promise<number> => {
      let members = 0;
      for await (const message of server.membership.streamMembers({ selector: segmentSelector('even', 'acme') })) {
        if (members === 0) flagd.letIn();
        members += message.members.length;
        await sleep(50);
      }
      return members;
    };
    expect((await refusal(read())).reason).toBe('INDEX_OFF');
  });

  it('answers again at once when it is on and nothing was passed over', async () => {
    await start();
    await populate();
    flagd.letIn('other');
    await untilRefused('INDEX_OFF');
    flagd.letIn('other', 'acme');
    await eventually(async () => expect(await count('acme')).toBe(BigInt(PEOPLE / 2)));
  });

  it('keeps its index, or empties it where that is asked for', async () => {
    await start();
    await populate();
    flagd.letIn('other');
    await untilRefused('INDEX_OFF');
    expect(await stored()).toBe(PEOPLE);
    flagd.letIn('other', 'acme');
    await eventually(() => count('acme'));

    await server.organisations.update({ key: 'acme', whenOff: WhenOff.PURGE });
    flagd.letIn('other');
    await untilRefused('INDEX_OFF');
    expect(await stored()).toBe(0);
    expect(await statusOf('acme')).toMatchObject({ state: EnvironmentState.OFF });
    flagd.letIn('other', 'acme');
    expect(await untilRefused('RELOAD_REQUIRED')).toMatchObject({ environment: 'acme' });
    expect(await count('other')).toBe(BigInt(PEOPLE / 2));
  });
});

it('an organisation that has a source loads itself when it is on again, and is never ready with a hole', async () => {
  const flagsmith: Flagsmith = await createFlagsmith();
  try {
    await insertIdentities(flagsmith.sql, 1, 1, 6_000);
    await start({ flagsmithDatabaseUrl: flagsmith.url });
    await server.environments.create({
      environment: { key: 'env-1', organisation: 'acme', source: SourceKind.FLAGSMITH },
    });
    await server.segments.create({ segment: { key: 'even', rules: [all(condition('paid', 'EQUAL', 'true'))] } });
    await eventually(async () => expect(await count('env-1', true)).toBe(3_000n));
    flagd.letIn();
    await untilRefused('INDEX_OFF', 'env-1');
    expect((await refusal(server.index.refresh({ environment: 'env-1' }))).reason).toBe('INDEX_OFF');
    await insertIdentities(flagsmith.sql, 1, 6_001, 8_000);
    await flagsmith.sql`delete from environments_trait where identity_id <= 1000`;
    await flagsmith.sql`delete from environments_identity where id <= 1000`;
    flagd.letIn('acme');
    const seen = new Set<string>();
    await eventually(async () => {
      seen.add(await count('env-1').then(String, (error: unknown) => String(reasonOf(error))));
      expect([...seen].at(-1)).toBe('3500');
    });
    expect(
      [...seen].filter((answer) => !['INDEX_OFF', 'ENVIRONMENT_LOADING', 'ATOM_BUILDING', '3500'].includes(answer)),
    ).toEqual([]);
    expect(seen.has('ENVIRONMENT_LOADING')).toBe(true);
  } finally {
    await flagsmith.drop();
  }
});

describe('the denylist', () => {
  it('can be a file, which is read again while the service runs', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rollcall-denylist-'));
    const membershipDenylistFile = join(folder, 'denylist');
    try {
      await writeFile(membershipDenylistFile, '\n');
      await start({ membershipDenylistFile });
      await populate();
      await writeFile(membershipDenylistFile, 'acme\n');
      expect(await untilRefused('INDEX_OFF')).toMatchObject({ gate: 'denylist' });
      await rm(folder, { recursive: true });
      await sleep(500);
      await refusedWith('INDEX_OFF');
      expect(await count('other')).toBe(BigInt(PEOPLE / 2));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('keeps organisations off after the flag', async () => {
    await start({ membershipDenylist: 'acme' });
    await server.environments.create({ environment: { key: 'acme', organisation: 'acme' } });
    await server.environments.create({ environment: { key: 'other', organisation: 'other' } });
    await server.segments.create({ segment: { key: 'even', rules: EVEN } });
    await untilAnswered(() => count('other'));
    expect(await refusedWith('INDEX_OFF')).toMatchObject({ gate: 'denylist' });
    flagd.letIn('other');
    await eventually(async () => expect(await refusedWith('INDEX_OFF')).toMatchObject({ gate: 'flag' }));
    const { organisations } = await server.organisations.list({});
    expect(organisations.map(({ key, gate }) => [key, gate])).toEqual([
      ['acme', Gate.FLAG],
      ['other', Gate.UNSPECIFIED],
    ]);
  });
});

it('the flag is evaluated with the attributes of an organisation, at once when they change', async () => {
  await start();
  flagd.set({ if: [{ '==': [{ var: 'plan' }, 'pro'] }, 'on', 'off'] });
  await server.organisations.update({ key: 'acme', name: 'Acme', attributes: { plan: 'free' } });
  await server.environments.create({ environment: { key: 'acme', organisation: 'acme' } });
  await server.segments.create({ segment: { key: 'even', rules: EVEN } });
  expect(await refusedWith('INDEX_OFF')).toMatchObject({ gate: 'flag' });
  const { organisation } = await server.organisations.update({ key: 'acme', attributes: { plan: 'pro' } });
  expect(organisation).toMatchObject({ name: 'Acme', attributes: { plan: 'pro' }, gate: Gate.UNSPECIFIED });
  await untilAnswered(() => count('acme', true));
  expect((await refusal(server.organisations.get({ key: 'nobody' }))).reason).toBe('ORGANISATION_NOT_FOUND');
});

it('while the provider cannot tell, organisations stay as they are and new ones are off', async () => {
  await start();
  await populate();
  flagd.set(undefined);
  await eventually(async () => expect(await Promise.resolve(server.warnings.join(''))).toContain('cannot tell'));
  await sleep(500);
  expect(await count('acme')).toBe(BigInt(PEOPLE / 2));
  await server.environments.create({ environment: { key: 'new', organisation: 'new' } });
  expect(await refusedWith('INDEX_OFF', 'new')).toMatchObject({ gate: 'flag' });
  flagd.letIn('new', 'acme', 'other');
  await eventually(() => count('new', true));
});

it('every process of a database sees a gate turn, which one of them turns', async () => {
  await start();
  await populate();
  const own = { flagProvider: 'flagd', flagdHost: '127.0.0.1', flagdPort: String(flagd.port), gateIntervalMs: '200' };
  const second = await startTestRollcall(database.url, own);
  try {
    const countThere = () => second.membership.count({ selector: segmentSelector('even', 'acme') });
    expect((await countThere()).count).toBe(BigInt(PEOPLE / 2));
    flagd.letIn('other');
    await untilRefused('INDEX_OFF');
    await eventually(async () => expect((await refusal(countThere())).reason).toBe('INDEX_OFF'));
    flagd.letIn('acme', 'other');
    await eventually(countThere);
    await eventually(() => count('acme'));
    const rows = await database.db.sql`select from audit_entry where subject = 'organisation' and key = 'acme'`;
    expect(rows).toHaveLength(2);
  } finally {
    await second.stop();
  }
});

it('turning gates is told in the audit trail and in metrics', async () => {
  await start();
  await populate();
  flagd.letIn('other');
  await untilRefused('INDEX_OFF');
  const rows = await database.db.sql`
    select actor, action, after->>'gate' as gate, note from audit_entry where subject = 'organisation' and key = 'acme'`;
  expect([...rows]).toEqual([
    { actor: 'rollcall', action: 'updated', gate: 'GATE_FLAG', note: 'its index is switched off by the flag' },
  ]);
  const page = await (await fetch(`http://${server.httpAddress}/metrics`)).text();
  expect(page).toContain('rollcall_environments{state="off"} 1');
  expect(page).toContain('rollcall_environments{state="ready"} 1');
  expect(page).toContain('rollcall_environment_state{environment="acme",state="off"} 1');
});
