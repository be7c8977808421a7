import type { CompiledNode } from '../core/compile.js';
import type { Database } from '../storage/database.js';
import type { EnvironmentIndex } from './environment-index.js';
import {
  findOrdinal,
  type IdentityQuery,
  inlineTruth,
  storedTruth,
  type Truth,
  unknownIdentity,
} from './identity-truth.js';
import type { ReaderCatalog, ServedSegment } from './reader-catalog.js';
import { expired, type Freshness, isElsewhere, reachFreshness, serveAll, serveTarget, type Target } from './select.js';

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
  const explainWith = (served: ServedSegment, truth: Truth): Explanation => {
    if (freshness.level === 'exact' && isElsewhere(index, freshness)) throw expired(freshness.revision);
    return { served, root: explainNode(index, served.compiled, truth), revision: index.revision, asOf: index.asOf };
  };
  if (identity.kind === 'inline') {
    const truth = await inlineTruth(database, index, identity, choose(index.catalog).atoms.values());
    return serveAll(
      index,
      choose,
      (served) => [served],
      (served) => explainWith(served, truth),
    );
  }
  const ordinal = await findOrdinal(database, index, identity);
  const attempt = (isLast: boolean): Promise<Explanation | undefined> =>
    serveAll(
      index,
      choose,
      (served) => [served],
      (served) => (isLast || index.isLive(ordinal) ? explainWith(served, storedTruth(index, ordinal)) : undefined),
    );
  const known = await attempt(identity.kind === 'id');
  if (known !== undefined) return known;
  await index.advance();
  const later = await attempt(true);
  if (later === undefined) throw unknownIdentity({});
  return later;
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
