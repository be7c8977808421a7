import { CHUNK_SIZE, chunkOf, isChunkIntact, OrdinalSet } from '../core/bitmap.js';
import type { AtomDefinition } from '../core/atoms.js';
import { UNIVERSE_ATOM_ID } from '../core/flips.js';
import { type AtomBase, readAtoms, readBases } from '../storage/atoms.js';
import { nextStoredChunk, readSomeChunks } from '../storage/chunks.js';
import { type Database, inTransaction, runCancellable, type Sql } from '../storage/database.js';
import { type Environment, readHead } from '../storage/environments.js';
import { nextLiveOrdinal } from '../storage/scans.js';
import type { RangeEvaluator } from './evaluate-column.js';
import { groupEvaluator } from './evaluate-range.js';
import { LogTail } from './log-tail.js';

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

interface Checked {
  readonly revision: number;
  readonly atoms: number;
  readonly identities: number;
  readonly differences: readonly Difference[];
}

/** What is kept from one chunk to the next: the log that was read, and how to evaluate atoms whose operand lists were. */
interface Verifier {
  readonly environment: Environment;
  readonly tail: LogTail;
  readonly evaluators: Map<number, RangeEvaluator>;
}

/**
 * Evaluates every ready atom again from the stored identities and compares (I1): over `sampleShare` of the chunks that hold identities or of which any atom has a row,
 * at most `maxRanges` of them. Each is a short snapshot of its own.
 */
export async function verify(
  database: Database,
  environment: Environment,
  options: { readonly sampleShare: number; readonly maxRanges: number; readonly signal: AbortSignal },
): Promise<Verification> {
  const { signal } = options;
  const verifier = { environment, tail: new LogTail(environment.id), evaluators: new Map<number, RangeEvaluator>() };
  const total = { revision: 0, chunksChecked: 0, identitiesChecked: 0, differences: [] as Difference[] };
  let from = 0;
  for (let ranges = 0; ranges < options.maxRanges;) {
    signal.throwIfAborted();
    const start = from;
    const chunk = await runCancellable(database, signal, (sql) => nextChunk(sql, environment, start));
    if (chunk === undefined) break;
    from = chunk + 1;
    if (Math.random() >= options.sampleShare) continue;
    const step = await inTransaction(database, { isolation: 'repeatable read', readOnly: true, signal }, (tx) =>
      verifyChunk(tx, verifier, chunk),
    );
    ranges++;
    total.revision = step.revision;
    total.chunksChecked += step.atoms;
    total.identitiesChecked += step.identities;
    total.differences.push(...step.differences);
  }
  return total;
}

async function nextChunk(sql: Sql, environment: Environment, from: number): Promise<number | undefined> {
  const live = await nextLiveOrdinal(sql, environment.id, from * CHUNK_SIZE);
  const stored = await nextStoredChunk(sql, environment.id, from);
  const next = Math.min(live === undefined ? Infinity : chunkOf(live), stored ?? Infinity);
  return next === Infinity ? undefined : next;
}

async function verifyChunk(tx: Sql, verifier: Verifier, chunk: number): Promise<Checked> {
  const { environment, tail } = verifier;
  const revision = (await readHead(tx, environment.id))?.revision ?? 0;
  const definitions = new Map((await readAtoms(tx, environment.id)).map((atom) => [atom.id, atom.definition]));
  const bases = (await readBases(tx, environment.id, [UNIVERSE_ATOM_ID, ...definitions.keys()])).filter(
    ({ state }) => state === 'ready',
  );
  await tail.readTo(tx, Math.min(revision, ...bases.map(({ baseRevision }) => baseRevision)), revision);
  const differences: Difference[] = [];
  let identities = 0;
  for (const base of bases) {
    const definition = definitions.get(base.id);
    const evaluate = await evaluatorOf(tx, verifier, { id: base.id, definition });
    const [expected = new OrdinalSet()] = await evaluate(tx, chunk * CHUNK_SIZE, (chunk + 1) * CHUNK_SIZE);
    if (base.id === UNIVERSE_ATOM_ID) identities = expected.size;
    const found = await compare(tx, verifier, base, chunk, expected);
    expected.dispose();
    if (found.isCorrupt || found.missing > 0 || found.surplus > 0)
      differences.push({ atomId: base.id, definition, chunk, ...found });
  }
  return { revision, atoms: bases.length, identities, differences };
}

/** How to evaluate an atom. Operand lists, which may be long, are read once. */
async function evaluatorOf(
  tx: Sql,
  { environment, evaluators }: Verifier,
  atom: { readonly id: number; readonly definition: AtomDefinition | undefined },
): Promise<RangeEvaluator> {
  const known = evaluators.get(atom.id);
  if (known !== undefined) return known;
  const evaluate = await groupEvaluator(tx, environment, [atom]);
  if ((atom.definition?.list ?? '') !== '') evaluators.set(atom.id, evaluate);
  return evaluate;
}

async function compare(
  tx: Sql,
  { environment, tail }: Verifier,
  { id, baseRevision }: AtomBase,
  chunk: number,
  expected: OrdinalSet,
): Promise<Pick<Difference, 'missing' | 'surplus' | 'isCorrupt'>> {
  const stored = await readSomeChunks(tx, environment.id, id, [chunk]);
  const isCorrupt = !stored.every(isChunkIntact);
  const actual = OrdinalSet.fromChunks(isCorrupt ? [] : stored);
  if (!isCorrupt)
    for (const [ordinal, isSet] of tail.flipsOf(id, chunk, baseRevision)) {
      if (isSet) actual.add(ordinal);
      else actual.delete(ordinal);
    }
  const [missing, surplus] = [expected.andNot(actual), actual.andNot(expected)];
  const found = { missing: missing.size, surplus: surplus.size, isCorrupt };
  for (const set of [actual, missing, surplus]) set.dispose();
  return found;
}
