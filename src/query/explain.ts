import type { CompiledNode } from '../core/compile.js';
import { RollcallError } from '../core/errors.js';
import type { Database } from '../storage/database.js';
import type { EnvironmentIndex } from './environment-index.js';
import { findOrdinal, type IdentityQuery, inlineTruth, storedTruth } from './identity-truth.js';
import type { ReaderCatalog, ServedSegment } from './reader-catalog.js';
import { type Freshness, reachFreshness, serveAll, serveTarget, type Target } from './select.js';

/** A node of a segment's rules: whether it is true of the identity, and of how many identities it is. */
export interface ExplainedNode {
  readonly node: CompiledNode;
  readonly isTrue: boolean;
  readonly count: number;
  readonly operands: readonly ExplainedNode[];
}

/** Why an identity is in a segment or not, all at one revision. */
export interface Explanation {
  readonly served: ServedSegment;
  readonly root: ExplainedNode;
  readonly revision: number;
  readonly asOf: Date;
}

/** Explains a target for one identity. Throws IDENTITY_NOT_FOUND, and as `serve`. */
export async function explain(
  database: Database,
  index: EnvironmentIndex,
  target: Target,
  identity: IdentityQuery,
  freshness: Freshness,
): Promise<Explanation> {
  await reachFreshness(index, freshness);
  const choose = (catalog: ReaderCatalog): ServedSegment[] => [catalog.withAllAtoms(serveTarget(catalog, target))];
  const ordinal = identity.kind === 'inline' ? undefined : await findOrdinal(database, index, identity);
  const inline = identity.kind === 'inline' ? await inlineTruth(database, index, identity, choose(index.catalog).flatMap(({ atoms }) => [...atoms.values()])) : undefined;
  let [served] = await serveAll(index, choose);
  if (ordinal !== undefined && identity.kind === 'identifier' && !index.isLive(ordinal)) {
    await index.advance();
    [served] = await serveAll(index, choose);
  }
  if (served === undefined) throw new RollcallError('INTERNAL', 'nothing was served');
  const truth = inline ?? storedTruth(index, ordinal ?? -1);
  const visit = (node: CompiledNode): ExplainedNode => ({
    node,
    isTrue: truth(node.predicate),
    count: index.count(node.predicate),
    operands: node.operands.map(visit),
  });
  return { served, root: visit(served.compiled), revision: index.revision, asOf: index.asOf };
}
