import { RollcallError } from '../../core/errors.js';
import type { IndexService } from '../../gen/rollcall/v1/index_service_pb.js';
import type { Applier, CommittedRevision } from '../../indexing/applier.js';
import { rebuildAtom } from '../../indexing/catalog-writer.js';
import { type Difference, verify } from '../../indexing/verify.js';
import type { EnvironmentIndexes } from '../../query/environment-indexes.js';
import type { Database } from '../../storage/database.js';
import { highestOrdinal } from '../../storage/scans.js';
import { findAtom } from '../reads/build-progress.js';
import { atomStatus, describeAtom } from '../messages/atom-messages.js';
import type { Handlers } from '../transport/handlers.js';
import type { BackfillHandlers } from './backfill-handlers.js';
import { deadLetterHandlers } from './dead-letter-handlers.js';
import { expectEnvironmentOn } from './environment-service.js';
import { loadHandlers } from './load-handlers.js';
import { readStatus, type StatusRooms } from './index-status.js';

const MAX_DIFFERENCES = 1_000;

/** What IndexService tells of the feed, and the applier through which it replays dead letters. */
export interface FeedView extends Pick<StatusRooms, 'readFeed' | 'readVisibility'> {
  readonly applier: Applier;
}

/** The handlers of IndexService but those of backfills. `onRebuild` is told of revisions that turn atoms back to building. */
export function indexHandlers(
  database: Database,
  indexes: EnvironmentIndexes,
  onRebuild: (revision: CommittedRevision) => void,
  { applier, ...feed }: FeedView,
): Omit<Handlers<typeof IndexService>, keyof BackfillHandlers> {
  return {
    ...deadLetterHandlers(database, applier),
    ...loadHandlers({ database, applier, onCommitted: onRebuild }),
    async getStatus({ environment, includeAtoms }) {
      return readStatus({ database, indexes, ...feed }, environment, includeAtoms);
    },
    async rebuildAtom({ environment: key, atomId }, { actor }) {
      const environment = await expectEnvironmentOn(database, key);
      const id = Number(atomId);
      if ((await findAtom(database.sql, environment, id)) === undefined) throw unknownAtom(id);
      const committed = await rebuildAtom(database, environment, id, actor);
      if (committed !== undefined) onRebuild(committed);
      const atom = await findAtom(database.sql, environment, id);
      if (atom === undefined) throw unknownAtom(id);
      return { atom: atomStatus(atom, 0, await highestOrdinal(database.sql, environment.id)) };
    },
    async verify({ environment: key, sampleShare, maxRanges }, { signal }) {
      const environment = await expectEnvironmentOn(database, key);
      const found = await verify(database, environment, {
        sampleShare: sampleShare === 0 ? 1 : sampleShare,
        maxRanges: maxRanges === 0 ? Infinity : maxRanges,
        signal,
      });
      return {
        revision: BigInt(found.revision),
        chunksChecked: BigInt(found.chunksChecked),
        identitiesChecked: BigInt(found.identitiesChecked),
        differences: firstDifferences(found.differences).map(
          ({ atomId, definition, chunk, missing, surplus, isCorrupt }) => ({
            atomId: BigInt(atomId),
            definition: describeAtom(definition),
            chunk: BigInt(chunk),
            missing: BigInt(missing),
            surplus: BigInt(surplus),
            corrupt: isCorrupt,
          }),
        ),
      };
    },
  };
}

function firstDifferences(differences: readonly Difference[]): Difference[] {
  return [...differences].sort((a, b) => a.atomId - b.atomId || a.chunk - b.chunk).slice(0, MAX_DIFFERENCES);
}

function unknownAtom(id: number): RollcallError {
  return new RollcallError('ATOM_NOT_FOUND', `the atom ${id} does not exist`, { metadata: { atom: String(id) } });
}
