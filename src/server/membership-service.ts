import { randomBytes } from 'node:crypto';
import { type MessageInitShape, toJsonString } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { RollcallError } from '../core/errors.js';
import type { MemberSchema } from '../gen/rollcall/v1/member_pb.js';
import type { MembershipService, StreamMembersRequest } from '../gen/rollcall/v1/membership_service_pb.js';
import { type Selector, SelectorSchema } from '../gen/rollcall/v1/selector_pb.js';
import { checkMembership } from '../query/check.js';
import { decodeCursor, encodeCursor, hashQuery } from '../query/cursor.js';
import type { EnvironmentIndex } from '../query/environment-index.js';
import type { EnvironmentIndexes } from '../query/environment-indexes.js';
import { explain } from '../query/explain.js';
import { listPage } from '../query/member-pages.js';
import type { ServedSegment } from '../query/reader-catalog.js';
import { resume } from '../query/resume.js';
import { sampleOrdinals } from '../query/sample.js';
import { countMembers, select, type Target } from '../query/select.js';
import type { Database } from '../storage/database.js';
import { readIdentities, type StoredIdentity } from '../storage/identities.js';
import type { Drafts } from './drafts.js';
import type { CallContext, EncodedMessage, Handlers } from './handlers.js';
import type { HeldRevisions } from './held-revisions.js';
import { checkResultMessage, explainedNodeMessage } from './membership-messages.js';
import { streamMembers } from './member-stream.js';
import { freshnessOf, identityOf, targetOf } from './selector-messages.js';
import { traitMessagesOf } from './trait-messages.js';

const DEFAULT_SAMPLE_SIZE = 10;
const DEFAULT_PAGE_SIZE = 100;

/** What the handlers of MembershipService need. */
export interface MembershipNeeds {
  readonly database: Database;
  readonly indexes: EnvironmentIndexes;
  readonly drafts: Drafts;
  readonly held: HeldRevisions;
}

/** The handlers of MembershipService. */
export function membershipHandlers(needs: MembershipNeeds): Handlers<typeof MembershipService> {
  const { database, indexes } = needs;
  return {
    async count(request, context) {
      const { index, target } = await locate(needs, request.selector, context);
      const counted = await countMembers(database, index, target, freshnessOf(request.freshness));
      return { count: BigInt(counted.count), ...stateOf(counted) };
    },
    async sample(request, context) {
      const { index, target } = await locate(needs, request.selector, context);
      const selection = await select(database, index, target, freshnessOf(request.freshness));
      const seed = request.seed ?? randomBytes(8).readBigInt64LE();
      const ordinals = sampleOrdinals(selection.set, request.size === 0 ? DEFAULT_SAMPLE_SIZE : request.size, seed);
      const identities = await readIdentities(database.sql, index.environment.id, [...ordinals]);
      const members = identities.map((identity) => memberMessage(identity, request.includeTraits));
      return { members, count: BigInt(selection.set.size), seed, ...stateOf(selection) };
    },
    async listMembers(request, context) {
      const { index, target, selector } = await locate(needs, request.selector, context);
      const query = hashQuery(['list', index.environment.id, toJsonString(SelectorSchema, selector), request.query]);
      const cursor = request.pageToken === '' ? undefined : decodeCursor(request.pageToken, query);
      const { selection, after } = await resume(database, index, target, { freshness: freshnessOf(request.freshness), cursor, isStrict: false });
      const size = request.pageSize === 0 ? DEFAULT_PAGE_SIZE : request.pageSize;
      const page = await listPage(database, index, selection, { after, size, query: request.query });
      return {
        members: page.identities.map((identity) => memberMessage(identity, request.includeTraits)),
        nextPageToken: page.nextAfter === undefined ? '' : encodeCursor({
          query,
          predicate: selection.served.predicate.key,
          revision: selection.revision,
          committedAtMs: selection.committedAt.getTime(),
          after: page.nextAfter,
        }),
        ...stateOf(selection),
      };
    },
    streamMembers: (request, context) => openStream(needs, request, context),
    async checkMembership(request) {
      const index = await indexes.get(request.environment);
      const { results, revision, asOf } = await checkMembership(database, index, identityOf(request.identity), request.segments, freshnessOf(request.freshness));
      return { results: results.map(checkResultMessage), revision: BigInt(revision), asOf: timestampFromDate(asOf) };
    },
    async explain(request, context) {
      const { index, target } = await locate(needs, request.selector, context);
      const explanation = await explain(database, index, target, identityOf(request.identity), freshnessOf(request.freshness));
      return { member: explanation.root.isTrue, root: explainedNodeMessage(explanation.root), ...stateOf(explanation) };
    },
  };
}

async function locate(
  { indexes, drafts }: MembershipNeeds,
  selector: Selector | undefined,
  context: CallContext,
): Promise<{ index: EnvironmentIndex; target: Target; selector: Selector }> {
  if (selector === undefined) throw new RollcallError('INVALID_REQUEST', 'the selector is missing', { metadata: { field: 'selector' } });
  const index = await indexes.get(selector.environment);
  return { index, selector, target: await drafts.prepare(index, targetOf(selector), context) };
}

async function* openStream(needs: MembershipNeeds, request: StreamMembersRequest, context: CallContext): AsyncGenerator<EncodedMessage> {
  const { index, target, selector } = await locate(needs, request.selector, context);
  const shard = { index: request.shardIndex, count: Math.max(1, request.shardCount) };
  const queryHash = hashQuery(['stream', index.environment.id, toJsonString(SelectorSchema, selector), shard.index, shard.count]);
  const cursor = request.cursor === '' ? undefined : decodeCursor(request.cursor, queryHash);
  const { selection, after, isRevisionChanged } = await resume(needs.database, index, target, {
    freshness: freshnessOf(request.freshness), cursor, isStrict: request.strict,
  });
  const release = await needs.held.hold(index.environment.id, selection.revision);
  try {
    yield* streamMembers(needs.database, {
      environmentId: index.environment.id,
      selection, queryHash, shard, after, isRevisionChanged,
      limit: Number(request.limit),
      includeTraits: request.includeTraits,
      signal: context.signal,
    });
  } finally {
    release();
  }
}

function memberMessage({ id, identifier, traits }: StoredIdentity, includeTraits: boolean): MessageInitShape<typeof MemberSchema> {
  return { id: BigInt(id), identifier, traits: includeTraits ? traitMessagesOf(traits) : {} };
}

/** What every answer says of itself. */
function stateOf({ revision, asOf, served }: { readonly revision: number; readonly asOf: Date; readonly served: ServedSegment }) {
  return { revision: BigInt(revision), asOf: timestampFromDate(asOf), etag: served.etag, pending: served.isPending };
}
