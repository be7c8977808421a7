import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { AtomDefinition } from '../../core/atoms.js';
import { RollcallError } from '../../core/errors.js';
import { UNIVERSE_ATOM_ID } from '../../core/flips.js';
import {
  AtomState,
  type AtomStatusSchema,
  type EnvironmentStatusSchema,
  EnvironmentState,
  type IndexService,
} from '../../gen/rollcall/v1/index_service_pb.js';
import type { CommittedRevision } from '../../indexing/applier.js';
import { rebuildAtom } from '../../indexing/catalog-writer.js';
import { type Difference, verify } from '../../indexing/verify.js';
import type { EnvironmentIndex } from '../../query/environment-index.js';
import type { EnvironmentIndexes } from '../../query/environment-indexes.js';
import { readAtoms, type StoredAtom } from '../../storage/atoms.js';
import { cardinalities } from '../../storage/chunks.js';
import type { Database } from '../../storage/database.js';
import { type Environment, listEnvironments, readHead } from '../../storage/environments.js';
import { measureLog } from '../../storage/log.js';
import { highestOrdinal } from '../../storage/scans.js';
import { builtShare, findAtom } from '../build-progress.js';
import { expectEnvironment } from './environment-service.js';
import type { Handlers } from '../transport/handlers.js';

const MAX_ENVIRONMENTS = 10_000;
const MAX_DIFFERENCES = 1_000;

/** The handlers of IndexService. `onRebuild` is told of revisions that turn atoms back to building. */
export function indexHandlers(
  database: Database,
  indexes: EnvironmentIndexes,
  onRebuild: (revision: CommittedRevision) => void,
): Handlers<typeof IndexService> {
  return {
    async getStatus({ environment, includeAtoms }) {
      const wanted =
        environment === ''
          ? await listEnvironments(database.sql, '', MAX_ENVIRONMENTS)
          : [await expectEnvironment(database, environment)];
      const environments: EnvironmentStatus[] = [];
      for (const one of wanted) environments.push(await statusOf(database, indexes, one, includeAtoms));
      return { environments, totals: totalsOf(environments) };
    },
    async rebuildAtom({ environment: key, atomId }) {
      const environment = await expectEnvironment(database, key);
      const id = Number(atomId);
      if ((await findAtom(database.sql, environment, id)) === undefined) throw unknownAtom(id);
      const committed = await rebuildAtom(database, environment, id);
      if (committed !== undefined) onRebuild(committed);
      const atom = await findAtom(database.sql, environment, id);
      if (atom === undefined) throw unknownAtom(id);
      return { atom: atomStatus(atom, 0, await highestOrdinal(database.sql, environment.id)) };
    },
    async verify({ environment: key, sampleShare, maxRanges }, { signal }) {
      const environment = await expectEnvironment(database, key);
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
            definition: describe(definition),
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

type EnvironmentStatus = MessageInitShape<typeof EnvironmentStatusSchema>;

async function statusOf(
  database: Database,
  indexes: EnvironmentIndexes,
  environment: Environment,
  includeAtoms: boolean,
): Promise<EnvironmentStatus> {
  const { sql } = database;
  const index = await indexes.get(environment.key);
  const isReady = await canAnswer(index);
  const head = await readHead(sql, environment.id);
  const atoms = await readAtoms(sql, environment.id);
  const log = await measureLog(sql, environment.id, 0);
  const ready = atoms.filter(({ state }) => state === 'ready').length;
  const counts = includeAtoms ? await cardinalities(sql, environment.id) : new Map<number, number>();
  const highest = includeAtoms ? await highestOrdinal(sql, environment.id) : 0;
  return {
    environment: environment.key,
    state: isReady ? EnvironmentState.READY : EnvironmentState.LOADING,
    identities: BigInt(index.identities ?? 0),
    revision: BigInt(head?.revision ?? 0),
    catalogRevision: BigInt(head?.catalogRevision ?? 0),
    asOf: timestampFromDate(index.asOf),
    logRevisions: BigInt(log.revisions),
    logBytes: BigInt(log.bytes),
    atomsReady: BigInt(ready),
    atomsBuilding: BigInt(atoms.length - ready),
    atoms: includeAtoms ? atoms.map((atom) => atomStatus(atom, counts.get(atom.id) ?? 0, highest)) : [],
  };
}

/** Whether the universe is in memory by now: while it is being built, the environment refuses reads. */
async function canAnswer(index: EnvironmentIndex): Promise<boolean> {
  try {
    await index.loadUniverse();
    return true;
  } catch (error) {
    if (error instanceof RollcallError && (error.reason === 'ATOM_BUILDING' || error.reason === 'INDEX_CORRUPT'))
      return false;
    throw error;
  }
}

function totalsOf(environments: readonly EnvironmentStatus[]) {
  const sum = (of: (status: EnvironmentStatus) => bigint | undefined): bigint =>
    environments.reduce((total, status) => total + (of(status) ?? 0n), 0n);
  return {
    environments: BigInt(environments.length),
    identities: sum(({ identities }) => identities),
    atomsReady: sum(({ atomsReady }) => atomsReady),
    atomsBuilding: sum(({ atomsBuilding }) => atomsBuilding),
    logBytes: sum(({ logBytes }) => logBytes),
  };
}

function atomStatus(atom: StoredAtom, cardinality: number, highest: number): MessageInitShape<typeof AtomStatusSchema> {
  return {
    id: BigInt(atom.id),
    definition: atom.id === UNIVERSE_ATOM_ID ? 'every identity' : describe(atom.definition),
    state: atom.state === 'ready' ? AtomState.READY : AtomState.BUILDING,
    progress: builtShare(atom, highest),
    chunks: BigInt(atom.chunks),
    cardinality: BigInt(cardinality),
    baseRevision: BigInt(atom.baseRevision),
  };
}

function firstDifferences(differences: readonly Difference[]): Difference[] {
  return [...differences].sort((a, b) => a.atomId - b.atomId || a.chunk - b.chunk).slice(0, MAX_DIFFERENCES);
}

/** An atom in words; the universe has no definition. */
function describe(definition: AtomDefinition | undefined): string {
  if (definition === undefined) return 'every identity';
  const { property, operator, operand, list, segmentKey } = definition;
  const of = segmentKey === '' ? '' : ` of segment ${segmentKey}`;
  const text = list === '' ? operand : `list ${list.slice(0, 12)}`;
  return `${property === '' ? '(identity key)' : property} ${operator} ${text.length > 200 ? `${text.slice(0, 200)}…` : text}${of}`.trim();
}

function unknownAtom(id: number): RollcallError {
  return new RollcallError('ATOM_NOT_FOUND', `the atom ${id} does not exist`, { metadata: { atom: String(id) } });
}
