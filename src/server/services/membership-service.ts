import { randomBytes } from 'node:crypto';
import { type MessageInitShape, toJsonString } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { MemberSchema } from '../../gen/rollcall/v1/member_pb.js';
import type {
  ListMembersRequest,
  MembershipService,
  SampleRequest,
  StreamMembersRequest,
} from '../../gen/rollcall/v1/membership_service_pb.js';
import { SelectorSchema } from '../../gen/rollcall/v1/selector_pb.js';
import { checkMembership } from '../../query/check.js';
import { decodeCursor, encodeCursor, hashQuery } from '../../query/cursor.js';
import { explain } from '../../query/explain.js';
import { listPage } from '../../query/member-pages.js';
import { resume } from '../../query/resume.js';
import { readSample, sampleOrdinals } from '../../query/sample.js';
import { countMembers, select } from '../../query/select.js';
import type { Database } from '../../storage/database.js';
import type { StoredIdentity } from '../../storage/identities.js';
import { awaitRevision } from '../reads/await-revision.js';
import { withBuildProgress } from '../reads/build-progress.js';
import { confirmState, streamGuard } from '../reads/confirm-state.js';
import { createCountAtOnce } from '../reads/count-at-once.js';
import type { CallContext, EncodedMessage, Handlers } from '../transport/handlers.js';
import type { HeldRevisions } from '../held-revisions.js';
import { knowSegments } from '../reads/known-segments.js';
import { checkResultMessage, countMessage, explainedNodeMessage, stateOf } from '../messages/membership-messages.js';
import { streamMembers } from '../member-stream.js';
import { type ReadTarget, type ReadTargetNeeds, withTarget } from '../reads/read-target.js';
import { freshnessOf, identityOf } from '../messages/selector-messages.js';
import { traitMessagesOf } from '../messages/trait-messages.js';

const DEFAULT_SAMPLE_SIZE = 10;
const DEFAULT_PAGE_SIZE = 100;

/** What the handlers of MembershipService need. */
export interface MembershipNeeds extends ReadTargetNeeds {
  readonly held: HeldRevisions;
}

/** The handlers of MembershipService. */
export function membershipHandlers(needs: MembershipNeeds): Handlers<typeof MembershipService> {
  const { database, indexes } = needs;
  const countNow = createCountAtOnce(indexes);
  return {
    count: (request, context) =>
      countNow(request) ??
      withTarget(needs, request, context, async ({ index, target, freshness }) =>
        countMessage(await countMembers(database, index, target, freshness)),
      ),
    sample: (request, context) => withTarget(needs, request, context, (read) => sample(database, request, read)),
    listMembers: (request, context) =>
      withTarget(needs, request, context, (read) => listMembers(database, request, read, context)),
    streamMembers: (request, context) => openStream(needs, request, context),
    async checkMembership(request, context) {
      const index = await indexes.get(request.environment);
      const freshness = freshnessOf(request.freshness);
      await awaitRevision(index, freshness, context);
      await confirmState(index, freshness).catch(async (error: unknown) => {
        throw await withBuildProgress(database, index.environment, error);
      });
      await knowSegments(index, request.segments);
      const { results, revision, asOf } = await checkMembership(
        database,
        index,
        identityOf(request.identity),
        request.segments,
        freshness,
      );
      return { results: results.map(checkResultMessage), revision: BigInt(revision), asOf: timestampFromDate(asOf) };
    },
    explain: (request, context) =>
      withTarget(needs, request, context, async ({ index, target, freshness }) => {
        const explanation = await explain(database, index, target, identityOf(request.identity), freshness);
        return {
          member: explanation.root.isTrue,
          root: explainedNodeMessage(explanation.root),
          ...stateOf(explanation),
        };
      }),
  };
}

async function sample(database: Database, request: SampleRequest, { index, target, freshness }: ReadTarget) {
  const selection = await select(database, index, target, freshness);
  const seed = request.seed ?? randomBytes(8).readBigInt64LE();
  const ordinals = sampleOrdinals(selection.set, request.size === 0 ? DEFAULT_SAMPLE_SIZE : request.size, seed);
  const identities = await readSample(database.sql, index.environment.id, ordinals, request.includeTraits);
  return { members: identities.map(memberMessage), count: BigInt(selection.set.size), seed, ...stateOf(selection) };
}

async function listMembers(
  database: Database,
  request: ListMembersRequest,
  { index, target, selector, freshness }: ReadTarget,
  { signal }: CallContext,
) {
  const { includeTraits } = request;
  const query = hashQuery(['list', index.environment.id, toJsonString(SelectorSchema, selector), request.query]);
  const cursor = request.pageToken === '' ? undefined : decodeCursor(request.pageToken, query);
  const { selection, after } = await resume(database, index, target, { freshness, cursor, isStrict: false });
  const size = request.pageSize === 0 ? DEFAULT_PAGE_SIZE : request.pageSize;
  const page = await listPage(database, index, selection, { after, size, query: request.query, includeTraits, signal });
  return {
    members: page.identities.map(memberMessage),
    nextPageToken:
      page.nextAfter === undefined
        ? ''
        : encodeCursor({
            query,
            predicate: selection.served.predicate.key,
            revision: selection.revision,
            committedAtMs: selection.committedAt.getTime(),
            after: page.nextAfter,
          }),
    ...stateOf(selection),
  };
}

async function* openStream(
  needs: MembershipNeeds,
  request: StreamMembersRequest,
  context: CallContext,
): AsyncGenerator<EncodedMessage> {
  const shard = { index: request.shardIndex, count: Math.max(1, request.shardCount) };
  const { environment, queryHash, resumed } = await withTarget(
    needs,
    request,
    context,
    async ({ index, target, selector, freshness }) => {
      const hash = hashQuery([
        'stream',
        index.environment.id,
        toJsonString(SelectorSchema, selector),
        shard.index,
        shard.count,
      ]);
      const cursor = request.cursor === '' ? undefined : decodeCursor(request.cursor, hash);
      const selected = await resume(needs.database, index, target, { freshness, cursor, isStrict: request.strict });
      return { environment: index.environment, queryHash: hash, resumed: selected };
    },
  );
  const holding = needs.held.hold(environment.id, resumed.selection.revision);
  holding.catch(() => undefined);
  const guard = streamGuard(needs.indexes, environment);
  try {
    yield* streamMembers(needs.database, {
      ...resumed,
      environmentId: environment.id,
      // The first page is read while its revision comes to be held; nothing is sent before.
      expectOn: async () => {
        await holding;
        await guard();
      },
      queryHash,
      shard,
      limit: Number(request.limit),
      includeTraits: request.includeTraits,
      signal: context.signal,
    });
  } finally {
    const release = await holding.catch(() => undefined);
    release?.();
  }
}

function memberMessage({ id, identifier, traits }: StoredIdentity): MessageInitShape<typeof MemberSchema> {
  return { id: BigInt(id), identifier, traits: traitMessagesOf(traits) };
}
