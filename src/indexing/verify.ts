import { CHUNK_SIZE, isChunkIntact, OrdinalSet } from '../core/bitmap.js';
import type { AtomDefinition } from '../core/atoms.js';
import { UNIVERSE_ATOM_ID } from '../core/flips.js';
import { readAtoms, readBases } from '../storage/atoms.js';
import { readSomeChunks } from '../storage/chunks.js';
import { type Database, inTransaction, runCancellable, type Sql } from '../storage/database.js';
import { type Environment, readHead } from '../storage/environments.js';
import { nextLiveOrdinal } from '../storage/scans.js';
import { rangeEvaluator } from './evaluate-range.js';
import { readReplay } from './replay.js';

/** A chunk of an atom that is not what its predicate gives: how many ordinals it lacks and has too many, or that its row is damaged. */
export interface Difference {
  readonly atomId: number;
  readonly definition: AtomDefinition | undefined;
  readonly chunk: number;
  readonly missing: number;
  readonly surplus: number;
  readonly isCorrupt: boolean;
}

/** What was verified, all of each chunk at one revision. */
export interface Verification {
  readonly revision: number;
  readonly chunksChecked: number;
  readonly identitiesChecked: number;
  readonly differences: readonly Difference[];
}

/** Log that one check replays at most; folding keeps it far below. */
const MAX_REPLAY_BYTES = 1024 * 1024 * 1024;

interface Checked {
  readonly atoms: number;
  readonly identities: number;
  readonly differences: readonly Difference[];
}

/**
 * Evaluates every ready atom again from the stored identities and compares (I1): over `sampleShare` of the ranges of 2^16 ordinals that hold
 * identities, at most `maxRanges` of them. Each range is a short snapshot of its own.
 */
export async function verify(
  database: Database,
  environment: Environment,
  options: { readonly sampleShare: number; readonly maxRanges: number; readonly signal: AbortSignal },
): Promise<Verification> {
  const differences: Difference[] = [];
  let revision = 0;
  let chunksChecked = 0;
  let identitiesChecked = 0;
  let from: number | undefined = 0;
  for (let ranges = 0; ranges < options.maxRanges;) {
    options.signal.throwIfAborted();
    const start: number = from;
    const first = await runCancellable(database, options.signal, (sql) => nextLiveOrdinal(sql, environment.id, start));
    if (first === undefined) break;
    const chunk = Math.floor(first / CHUNK_SIZE);
    from = (chunk + 1) * CHUNK_SIZE;
    if (Math.random() >= options.sampleShare) continue;
    const step = await inTransaction(
      database,
      { isolation: 'repeatable read', readOnly: true, signal: options.signal },
      (tx) => verifyChunk(tx, environment, chunk),
    );
    ranges++;
    revision = step.revision;
    chunksChecked += step.atoms;
    identitiesChecked += step.identities;
    differences.push(...step.differences);
  }
  return { revision, chunksChecked, identitiesChecked, differences };
}

async function verifyChunk(tx: Sql, environment: Environment, chunk: number): Promise<Checked & { revision: number }> {
  const head = await readHead(tx, environment.id);
  const definitions = new Map((await readAtoms(tx, environment.id)).map((atom) => [atom.id, atom.definition]));
  const bases = (await readBases(tx, environment.id, [UNIVERSE_ATOM_ID, ...definitions.keys()])).filter(
    ({ state }) => state === 'ready',
  );
  const after = Math.min(...bases.map(({ baseRevision }) => baseRevision));
  const revision = head?.revision ?? 0;
  const { flips } = await readReplay(
    tx,
    environment.id,
    { after, until: revision, maxBytes: MAX_REPLAY_BYTES },
    () => true,
  );
  const differences: Difference[] = [];
  let identities = 0;
  for (const { id } of bases) {
    const definition = definitions.get(id);
    const evaluate = await rangeEvaluator(tx, environment, { id, definition });
    const expected = await evaluate(tx, chunk * CHUNK_SIZE, (chunk + 1) * CHUNK_SIZE);
    if (id === UNIVERSE_ATOM_ID) identities = expected.size;
    const stored = await readSomeChunks(tx, environment.id, id, [chunk]);
    const isCorrupt = !stored.every(isChunkIntact);
    const actual = isCorrupt ? new OrdinalSet() : replayed(OrdinalSet.fromChunks(stored), flips.get(id), chunk);
    const missing = expected.andNot(actual).size;
    const surplus = actual.andNot(expected).size;
    if (isCorrupt || missing > 0 || surplus > 0)
      differences.push({ atomId: id, definition, chunk, missing, surplus, isCorrupt });
  }
  return { revision, atoms: bases.length, identities, differences };
}

function replayed(set: OrdinalSet, flips: ReadonlyMap<number, boolean> | undefined, chunk: number): OrdinalSet {
  for (const [ordinal, isSet] of flips ?? []) {
    if (Math.floor(ordinal / CHUNK_SIZE) !== chunk) continue;
    if (isSet) set.add(ordinal);
    else set.delete(ordinal);
  }
  return set;
}
