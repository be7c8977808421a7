import type { CompiledNode } from '../core/compile.js';
import type { Database } from '../storage/database.js';
import type { EnvironmentIndex } from './environment-index.js';
import { type IdentityQuery, inlineTruth, storedTruth, type Truth, withStoredIdentity } from './identity-truth.js';
import type { ReaderCatalog, ServedSegment } from './reader-catalog.js';
import { expectRevision, type Freshness, reachFreshness, serveAll, serveTarget, type Target } from './select.js';

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
  const choose = (catalog: ReaderCatalog): ServedSegment => catalog.withAllAtoms(serveTarget(catalog, target));
  const explainWith = (truthNow: (served: ServedSegment) => Truth): Promise<Explanation> =>
    serveAll(
      index,
      choose,
      (served) => [served],
      (served) => {
        expectRevision(index, freshness);
        const root = explainNode(index, served.compiled, truthNow(served));
        return { served, root, revision: index.revision, asOf: index.asOf };
      },
    );
  if (identity.kind === 'inline') {
    const truth = await inlineTruth(index, identity, choose(index.catalog).atoms.values());
    return explainWith(truth);
  }
  return withStoredIdentity(database, index, identity, (ordinal) => explainWith(() => storedTruth(index, ordinal)));
}

/** A segment that is referred to more than once is explained where it comes first; elsewhere it is without operands. */
function explainNode(index: EnvironmentIndex, root: CompiledNode, truth: Truth): ExplainedNode {
  const explained = new Set<CompiledNode>();
  const visit = (node: CompiledNode): ExplainedNode => {
    const operands = explained.has(node) ? [] : node.operands;
    explained.add(node);
    return { node, isTrue: truth(node.predicate), count: index.count(node.predicate), operands: operands.map(visit) };
  };
  return visit(root);
}
