import { randomUUID } from 'node:crypto';
import { AuditService } from '../gen/rollcall/v1/audit_service_pb.js';
import { EnvironmentService } from '../gen/rollcall/v1/environment_service_pb.js';
import { IndexService } from '../gen/rollcall/v1/index_service_pb.js';
import { IngestService } from '../gen/rollcall/v1/ingest_service_pb.js';
import { MembershipService } from '../gen/rollcall/v1/membership_service_pb.js';
import { OrganisationService } from '../gen/rollcall/v1/organisation_service_pb.js';
import { SegmentService } from '../gen/rollcall/v1/segment_service_pb.js';
import type { CommittedRevision } from '../indexing/applier.js';
import { type FeedStatus, NO_FEED } from '../indexing/kafka/feed-status.js';
import { Maintenance } from '../indexing/maintenance.js';
import { EnvironmentIndexes } from '../query/environment-indexes.js';
import { checkServerVersion, connectDatabase, type Database } from '../storage/database.js';
import { migrate } from '../storage/migrate.js';
import { createBackfills } from './backfill-worker.js';
import { createBackgroundErrorLog } from './background-errors.js';
import { closeAll, type Closing } from './closing.js';
import type { Gates, GatesListeners } from './gates/gates.js';
import { switchedOff } from './gates/service-off.js';
import type { MetricOfProcess } from './metrics/process-page.js';
import {
  createServerMetrics,
  METRICS_MEDIA_TYPE,
  type MetricSources,
  type ServerMetrics,
} from './metrics/server-metrics.js';
import { Drafts } from './reads/drafts.js';
import { adoptionHandlers } from './services/adoption-handlers.js';
import { auditHandlers } from './services/audit-service.js';
import { backfillHandlers } from './services/backfill-handlers.js';
import { environmentHandlers } from './services/environment-service.js';
import { type CallFailure, isWorthLogging } from './transport/errors.js';
import { type RunningServer, startGrpcServer } from './transport/grpc-server.js';
import { implement, type Implementation } from './transport/handlers.js';
import { createKafkaFeed } from './kafka-feed.js';
import { createHealth, type HealthState } from './transport/health.js';
import { HeldRevisions } from './held-revisions.js';
import { startHttpServer } from './transport/http-server.js';
import { indexHandlers } from './services/index-service.js';
import { decodeBatch, ingestHandlers } from './services/ingest-service.js';
import type { Logger } from './logger.js';
import { membershipHandlers } from './services/membership-service.js';
import { openDatabase } from './open-database.js';
import type { Options } from './options.js';
import { configureProtobufText } from './transport/protobuf-text.js';
import { createRevisionNews } from './revision-news.js';
import { organisationHandlers } from './services/organisation-service.js';
import { configureSources } from './sources/configured-sources.js';
import { segmentHandlers } from './services/segment-service.js';
import { createStreamSlots } from './transport/stream-slots.js';

/** A Rollcall that serves. Addresses are host:port. */
export interface Rollcall {
  readonly grpcAddress: string;
  readonly httpAddress: string;
  /** The Kafka feed as this process sees it. */
  readonly feedStatus: () => FeedStatus;
  /** What it measures of itself just now. */
  readonly readMetrics: () => Promise<MetricOfProcess[]>;
  /** The database it runs on; its own where none was configured. */
  readonly databaseUrl: string;
  /** Drains open calls within the grace, then stops; an embedded database is stopped cleanly. */
  stop(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 600_000;
const CLOSE_TIMEOUT_MS = 5_000;
const MAX_TOUCH_INTERVAL_MS = 30_000;

/**
 * Starts everything: the database where it is embedded, migrations, the readers and writers, gRPC and HTTP. `readPage` takes the place of its own page of metrics
 * where several processes are one service.
 */
export async function startRollcall(
  options: Options,
  logger: Logger,
  readPage?: () => Promise<string>,
): Promise<Rollcall> {
  configureProtobufText();
  const closing: Closing = [];
  const stop = (): Promise<void> => closeAll(closing, logger);
  try {
    if (!options.segmentMembershipEnabled) {
      logger.warn('segment membership is switched off: SEGMENT_MEMBERSHIP_ENABLED=true switches it on');
      const served = await serve(roomsSwitchedOff(), options, logger, closing, readPage);
      return { ...served, databaseUrl: options.databaseUrl ?? '', stop };
    }
    const databaseUrl = await openDatabase(options, logger, closing);
    const database = connectDatabase({
      url: databaseUrl,
      maxConnections: options.databaseConnections,
      applicationName: 'rollcall',
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    });
    closing.push(() => database.close(CLOSE_TIMEOUT_MS));
    await checkServerVersion(database.sql);
    const { applied } = await migrate(database);
    if (applied.length > 0) logger.info({ migrations: applied }, 'migrated the database');
    const rooms = await startRooms(database, options, logger, closing);
    return { ...(await serve(rooms, options, logger, closing, readPage)), databaseUrl, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What is served. */
interface Rooms {
  readonly health: HealthState;
  readonly implementations: readonly Implementation[];
  readonly feedStatus: () => FeedStatus;
  readonly metrics: ServerMetrics;
  readonly sources: MetricSources | undefined;
  readonly isReady: () => Promise<boolean>;
}

const SERVICES = [
  EnvironmentService,
  MembershipService,
  SegmentService,
  IngestService,
  IndexService,
  AuditService,
  OrganisationService,
] as const;

/** Without a database: every call is refused, and health is good. */
function roomsSwitchedOff(): Rooms {
  const metrics = createServerMetrics();
  return {
    implementations: SERVICES.map(switchedOff).map(metrics.measure),
    metrics,
    sources: undefined,
    feedStatus: () => NO_FEED,
    isReady: () => Promise.resolve(true),
    health: createHealth(SERVICES.map(({ typeName }) => typeName)),
  };
}

async function serve(
  { health, implementations, feedStatus, metrics, sources, isReady }: Rooms,
  options: Options,
  logger: Logger,
  closing: Closing,
  readPage: (() => Promise<string>) | undefined,
): Promise<Pick<Rollcall, 'grpcAddress' | 'httpAddress' | 'feedStatus' | 'readMetrics'>> {
  const shared = {
    host: options.host,
    streamSlots: metrics.measureSlots(createStreamSlots(options.maxStreamsPerCaller)),
    streamProgressTimeoutMs: options.streamProgressTimeoutMs,
    logFailure: (failure: CallFailure) => {
      logFailure(logger, failure);
    },
  };
  const servers: RunningServer[] = [];
  closing.push(async () => {
    await Promise.all(servers.map((server) => server.stop(options.shutdownGraceMs)));
  });
  const grpc = await startGrpcServer({
    ...shared,
    port: options.grpcPort,
    implementations: [...implementations, health.implementation],
  });
  servers.push(grpc);
  const http = await startHttpServer({
    ...shared,
    port: options.httpPort,
    implementations,
    isReady,
    metrics: { mediaType: METRICS_MEDIA_TYPE, read: readPage ?? (() => metrics.read(sources)) },
  });
  servers.push(http);
  health.setServing(true);
  closing.push(() => {
    health.setServing(false);
    return Promise.resolve();
  });
  return {
    grpcAddress: addressOf(options.host, grpc.port),
    httpAddress: addressOf(options.host, http.port),
    feedStatus,
    readMetrics: () => metrics.collect(sources),
  };
}

/** The rooms and what each needs of the others: a committed revision goes from the writers to the readers here. */
async function startRooms(database: Database, options: Options, logger: Logger, closing: Closing): Promise<Rooms> {
  const onError = createBackgroundErrorLog(logger);
  const metrics = createServerMetrics();
  const news = createRevisionNews(database, randomUUID(), onError);
  const onCommitted = (revision: CommittedRevision): void => {
    indexes.offer(revision.environmentId, revision);
    news.tell(revision);
    if (revision.flips.catalogChanged) maintenance.nudge();
  };
  const maintenance = new Maintenance(database, {
    foldMaxRevisions: options.foldMaxRevisions,
    foldMaxBytes: options.foldMaxBytes,
    foldIntervalMs: options.foldIntervalMs,
    logRetentionMs: options.logRetentionSeconds * 1000,
    draftExpiryMs: options.draftExpirySeconds * 1000,
    atomGraceMs: options.atomGraceSeconds * 1000,
    buildRangeChunks: options.buildRangeChunks,
    deadLetterRetentionMs: options.deadLetterRetentionSeconds * 1000,
    auditRetentionMs: options.auditRetentionSeconds === 0 ? Infinity : options.auditRetentionSeconds * 1000,
    onCommitted,
    onMaintained: metrics.onMaintained,
    onError,
  });
  const indexes = new EnvironmentIndexes(database, {
    chunkCache: metrics.createCache('chunks', options.chunkCacheMaxBytes),
    composedCache: metrics.createCache('composed', options.composedCacheMaxBytes),
    maxStalenessMs: options.maxStalenessMs,
    pollIntervalMs: options.pollIntervalMs,
    touchIntervalMs: Math.min(MAX_TOUCH_INTERVAL_MS, options.draftExpirySeconds * 250),
    onCorrupt: (environment, atomId) => {
      logger.error({ environment: environment.key, atomId }, 'a stored bitmap is damaged; building it again');
      maintenance.repair(environment, atomId);
    },
    onError,
  });
  const held = new HeldRevisions(database, onError);
  const drafts = new Drafts({
    database,
    maxBuildsPerOrganisation: options.maxBuildsPerOrganisation,
    onRegistered: onCommitted,
  });
  await news.listen((environmentId, revision) => {
    indexes.hint(environmentId, revision);
  });
  const gates = await openGates(database, options, {
    ...{ logger, onCommitted, onError },
    onPurged: (key) => {
      indexes.forget(key);
    },
  });
  closing.push(async () => gates?.stop());
  await gates?.run();
  maintenance.run();
  indexes.run();
  held.run();
  closing.push(async () => {
    await held.stop();
    indexes.stop();
    await maintenance.stop();
  });
  const applier = metrics.createApplier(database, onCommitted);
  const feed = await createKafkaFeed(database, applier, options, { logger, onApplied: metrics.onApplied });
  feed?.run();
  closing.push(async () => feed?.stop());
  const sources = configureSources(options);
  const worker = createBackfills(database, applier, sources, options, {
    ...{ logger, onCommitted, onError },
    onRan: metrics.onBackfillRan,
  });
  worker?.run();
  closing.push(async () => {
    await worker?.stop();
    await sources.close();
  });
  const onToLoad = (): void => worker?.nudge();
  const settleGate = async (key: string): Promise<void> => gates?.settle(key);
  const lookAtGate = async (key: string): Promise<void> => gates?.lookAt(key);
  const feedStatus = (): FeedStatus => feed?.status() ?? NO_FEED;
  const feedView = { applier, readFeed: feedStatus, readVisibility: metrics.readVisibility };
  const unmeasured: Implementation[] = [
    implement(EnvironmentService, {
      ...environmentHandlers(database, indexes, { onToLoad, onCommitted, settleGate }),
      ...adoptionHandlers({ database, sources, onCommitted, onToLoad, settleGate }),
    }),
    implement(MembershipService, membershipHandlers({ database, indexes, drafts, held })),
    implement(SegmentService, segmentHandlers(database, onCommitted)),
    implement(IngestService, ingestHandlers(applier, options.maxBatchChanges), { applyChanges: decodeBatch }),
    implement(IndexService, {
      ...indexHandlers(database, indexes, onCommitted, feedView),
      ...backfillHandlers({
        ...{ database, sources, onCommitted, onToLoad },
        identitiesPerSecond: options.backfillIdentitiesPerSecond,
        refreshCooldownMs: options.refreshCooldownSeconds * 1000,
        onCancelled: ({ id }) => worker?.abort(id),
      }),
    }),
    implement(AuditService, auditHandlers(database)),
    implement(OrganisationService, organisationHandlers(database, lookAtGate)),
  ];
  return {
    implementations: unmeasured.map(metrics.measure),
    feedStatus,
    metrics,
    sources: { database, indexes, readFeed: feedStatus },
    isReady: () => answers(database),
    health: createHealth(unmeasured.map(({ service }) => service.typeName)),
  };
}

async function answers(database: Database): Promise<boolean> {
  try {
    await database.sql`select 1`;
    return true;
  } catch {
    return false;
  }
}

/** Undefined where they are to be left as they are; then what they need is not even loaded. */
async function openGates(database: Database, options: Options, how: GatesListeners): Promise<Gates | undefined> {
  if (options.gateIntervalMs === 0) return undefined;
  return (await import('./gates/open-gates.js')).openGates(database, options, how);
}

function logFailure(logger: Logger, { error, method, peer, requestId }: CallFailure): void {
  if (isWorthLogging(error)) logger.error({ err: error, method, peer, requestId }, 'a call failed');
}

function addressOf(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
