import type { AtomDefinition } from '../core/atoms.js';
import { atomsOfTree, type CompileContext, compileSegment } from '../core/compile.js';
import type { EnvironmentView } from '../core/properties/properties.js';
import type { SegmentDefinition } from '../core/segments.js';
import { RollcallError } from '../core/errors.js';
import type { SegmentVersion } from '../storage/segments.js';

/** A compile context over the newest definition of each segment. `versions` are by key, the newest first. */
export function newestContext(environment: EnvironmentView, versions: readonly SegmentVersion[]): CompileContext {
  const newest = new Map<string, SegmentDefinition>();
  for (const { key, definition } of versions) if (!newest.has(key)) newest.set(key, definition);
  return { environment, definitionOf: (key) => newest.get(key) };
}

/** The atoms that the newest definitions of these segments need in an environment. One that does not compile needs none. */
export function requiredAtoms(
  environment: EnvironmentView,
  versions: readonly SegmentVersion[],
): Map<string, AtomDefinition> {
  const context = newestContext(environment, versions);
  const atoms = new Map<string, AtomDefinition>();
  for (const key of new Set(versions.map((version) => version.key))) {
    const definition = context.definitionOf(key);
    if (definition === undefined) continue;
    for (const [atomKey, atom] of atomsOrNone(key, definition, context)) atoms.set(atomKey, atom);
  }
  return atoms;
}

function atomsOrNone(
  key: string,
  definition: SegmentDefinition,
  context: CompileContext,
): ReadonlyMap<string, AtomDefinition> {
  try {
    return atomsOfTree(compileSegment(key, definition, context));
  } catch (error) {
    if (error instanceof RollcallError) return new Map();
    throw error;
  }
}
