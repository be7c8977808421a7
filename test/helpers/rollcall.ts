import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { pino } from 'pino';
import { AuditService } from '../../src/gen/rollcall/v1/audit_service_pb.js';
import { EnvironmentService } from '../../src/gen/rollcall/v1/environment_service_pb.js';
import type { IdentityChangeSchema } from '../../src/gen/rollcall/v1/identity_change_pb.js';
import { IndexService } from '../../src/gen/rollcall/v1/index_service_pb.js';
import { IngestService } from '../../src/gen/rollcall/v1/ingest_service_pb.js';
import { MembershipService } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import type {
  StreamMembersRequestSchema,
  StreamMembersResponse,
} from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { OrganisationService } from '../../src/gen/rollcall/v1/organisation_service_pb.js';
import { RuleType } from '../../src/gen/rollcall/v1/segment_pb.js';
import type { ConditionSchema, RuleSchema } from '../../src/gen/rollcall/v1/segment_pb.js';
import { SegmentService } from '../../src/gen/rollcall/v1/segment_service_pb.js';
import type { SelectorSchema } from '../../src/gen/rollcall/v1/selector_pb.js';
import type { TraitValueSchema } from '../../src/gen/rollcall/v1/trait_value_pb.js';
import { loadOptions } from '../../src/server/options.js';
import { startRollcall } from '../../src/server/start.js';
import type { Rollcall } from '../../src/server/start.js';
import { connectGrpcClient, errorInfoOf } from './grpc-client.js';
import type { GrpcClient } from './grpc-client.js';
import type { TestDatabase } from './postgres.js';

/** A client of each service of one server. */
export interface Clients {
  readonly environments: GrpcClient<typeof EnvironmentService>;
  readonly membership: GrpcClient<typeof MembershipService>;
  readonly segments: GrpcClient<typeof SegmentService>;
  readonly ingest: GrpcClient<typeof IngestService>;
  readonly index: GrpcClient<typeof IndexService>;
  readonly organisations: GrpcClient<typeof OrganisationService>;
  readonly audit: GrpcClient<typeof AuditService>;
  disconnect(): void;
}

/** A whole server over real sockets, and its clients. */
export interface TestRollcall extends Rollcall, Clients {
  readonly grpcPort: number;
  /** What it logged: the messages of warnings and errors with the errors' texts. */
  readonly warnings: readonly string[];
}

type Traits = Record<string, MessageInitShape<typeof TraitValueSchema>>;
export type ChangeInit = MessageInitShape<typeof IdentityChangeSchema>;
export type SelectorInit = MessageInitShape<typeof SelectorSchema>;
export type RuleInit = MessageInitShape<typeof RuleSchema>;

/** Starts a server on a database. Flags are those of the command line, in camelCase. */
export async function startTestRollcall(
  databaseUrl: string,
  flags: Readonly<Record<string, string>> = {},
): Promise<TestRollcall> {
  const warnings: string[] = [];
  const options = loadOptions({
    env: {},
    flags: {
      ...{ databaseUrl, grpcPort: '0', httpPort: '0', pollIntervalMs: '50', shutdownGraceMs: '500' },
      segmentMembershipEnabled: 'true',
      ...flags,
    },
  });
  const logger = pino({ level: 'warn' }, { write: (line: string) => warnings.push(line) });
  const rollcall = await startRollcall(options, logger);
  const grpcPort = Number(rollcall.grpcAddress.split(':').at(-1));
  const clients = connectClients(grpcPort);
  return {
    ...rollcall,
    ...clients,
    grpcPort,
    warnings,
    async stop() {
      clients.disconnect();
      await rollcall.stop();
    },
  };
}

/** Connects to a server on this machine. */
export function connectClients(grpcPort: number): Clients {
  const environments = connectGrpcClient(EnvironmentService, grpcPort);
  const membership = connectGrpcClient(MembershipService, grpcPort);
  const segments = connectGrpcClient(SegmentService, grpcPort);
  const ingest = connectGrpcClient(IngestService, grpcPort);
  const index = connectGrpcClient(IndexService, grpcPort);
  const organisations = connectGrpcClient(OrganisationService, grpcPort);
  const audit = connectGrpcClient(AuditService, grpcPort);
  const disconnect = (): void => {
    for (const { close } of [environments, membership, segments, ingest, index, organisations, audit]) close();
  };
  return { environments, membership, segments, ingest, index, organisations, audit, disconnect };
}

export const text = (value: string) => ({ kind: { case: 'stringValue' as const, value } });
export const int = (value: number) => ({ kind: { case: 'intValue' as const, value: BigInt(value) } });

export function condition(property: string, operator: string, value: string): MessageInitShape<typeof ConditionSchema> {
  return { property, operator, operand: { case: 'value', value } };
}

/** A rule that all conditions must satisfy. */
export function all(...conditions: MessageInitShape<typeof ConditionSchema>[]): RuleInit {
  return { type: RuleType.ALL, conditions };
}

export function segmentSelector(segment: string, environment = 'default'): SelectorInit {
  return { environment, target: { case: 'segment', value: segment } };
}

export function draftSelector(rules: RuleInit[], environment = 'default'): SelectorInit {
  return { environment, target: { case: 'draft', value: { rules } } };
}

export function upsert(identifier: string, traits: Traits, environmentKey = 'default'): ChangeInit {
  return { environmentKey, identifier, change: { case: 'upsert', value: { traits } } };
}

export function remove(identifier: string, environmentKey = 'default'): ChangeInit {
  return { environmentKey, identifier, change: { case: 'delete', value: {} } };
}

/** Applies changes in batches of `batchSize`; the revision that holds them all. */
export async function apply(
  { ingest }: Pick<Clients, 'ingest'>,
  changes: readonly ChangeInit[],
  batchSize = 10_000,
): Promise<bigint> {
  const batches = Array.from({ length: Math.ceil(changes.length / batchSize) }, (_, batch) => ({
    changes: changes.slice(batch * batchSize, (batch + 1) * batchSize),
  }));
  const { revisions } = await ingest.applyChanges(batches);
  return revisions[0]?.revision ?? 0n;
}

/** `count` people `prefix-0`, `prefix-1`, …: a trait `n` (the number) and a trait `even`. */
export function people(count: number, prefix = 'person', environmentKey = 'default'): ChangeInit[] {
  return Array.from({ length: count }, (_, n) =>
    upsert(`${prefix}-${n}`, { n: int(n), even: text(n % 2 === 0 ? 'yes' : 'no') }, environmentKey),
  );
}

/** Stores `count` identities at ordinals from 1 on as a source would have, `identifier` being SQL over the ordinal `n`, and builds all atoms over them. */
export async function store(
  clients: Clients,
  { db }: Pick<TestDatabase, 'db'>,
  count: number,
  identifier = `'person-' || n`,
  environment = 'default',
): Promise<void> {
  await db.sql.unsafe(`
    with stored as (
      insert into identity (environment_id, id, identifier, traits)
      select environment.id, n, ${identifier}, jsonb_build_object('n', n, 'even', case when n % 2 = 0 then 'yes' else 'no' end)
      from environment, generate_series(1, ${count}) as n where key = '${environment}' and deleted_at is null)
    update environment_head set next_ordinal = ${count} + 1 from environment where environment.id = environment_id and key = '${environment}'`);
  await db.sql.unsafe('vacuum analyze identity');
  const { environments } = await clients.index.getStatus({ environment, includeAtoms: true });
  for (const atomId of [0n, ...(environments[0]?.atoms ?? []).map(({ id }) => id)])
    await clients.index.rebuildAtom({ environment, atomId });
  await eventually(async () => {
    const [building] = await db.sql`
      select from atom join environment on environment.id = environment_id and deleted_at is null where key = ${environment} and atom.state = 'building'`;
    if (building !== undefined) throw new Error('an atom is being built');
  });
}

/** Creates a segment and waits until it is answered. */
export async function putSegment(
  clients: Clients,
  key: string,
  rules: RuleInit[],
  environment = 'default',
): Promise<void> {
  await clients.segments.create({ segment: { key, rules } });
  await untilAnswered(() =>
    clients.membership.count({
      selector: segmentSelector(key, environment),
      freshness: { level: { case: 'latest', value: true } },
    }),
  );
}

/** The answer once its atoms are built. */
export async function untilAnswered<T>(call: () => Promise<T>): Promise<T> {
  return eventually(call, (error) => ['ATOM_BUILDING', 'INDEX_CORRUPT'].includes(reasonOf(error) ?? ''));
}

/** Calls again, for at most 20 s, while the error is one that passes. */
export async function eventually<T>(
  call: () => Promise<T>,
  isPassing: (error: unknown) => boolean = () => true,
): Promise<T> {
  const until = Date.now() + 20_000;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isPassing(error) || Date.now() > until) throw error;
    }
    await sleep(20);
  }
}

/** The reason in an error's ErrorInfo. */
export function reasonOf(error: unknown): string | undefined {
  return errorInfoOf(error)?.reason;
}

/** The reason and metadata of the error that a call rejects with. */
export async function refusal(
  call: Promise<unknown>,
): Promise<{ reason: string | undefined; metadata: Record<string, string> }> {
  const error: unknown = await call.then(
    () => new Error('the call was expected to be refused'),
    (thrown: unknown) => thrown,
  );
  const info = errorInfoOf(error);
  if (info === undefined) throw error;
  return { reason: info.reason, metadata: info.metadata };
}

/** All messages of a stream. */
export async function readStream(
  { membership }: Pick<Clients, 'membership'>,
  request: MessageInitShape<typeof StreamMembersRequestSchema>,
): Promise<StreamMembersResponse[]> {
  const messages: StreamMembersResponse[] = [];
  for await (const message of membership.streamMembers(request)) messages.push(message);
  return messages;
}

/** The identifiers in the messages of a stream, in order. */
export function identifiersOf(messages: readonly StreamMembersResponse[]): string[] {
  return messages.flatMap(({ members }) => members.map(({ identifier }) => identifier));
}
