import { setImmediate } from 'node:timers/promises';
import type { AtomDefinition } from '../core/atoms.js';
import type { EnvironmentSettings } from '../core/environment-settings.js';
import { atomsOfTree, type CompileContext, compileSegment } from '../core/compile.js';
import type { SegmentDefinition } from '../core/segments.js';
import { RollcallError } from '../core/errors.js';
import type { Environment } from '../storage/environments.js';
import type { SegmentVersion } from '../storage/segments.js';

/** Segments that are compiled in one go: for so long nothing else of the process is answered. */
const SEGMENTS_IN_ONE_GO = 100;

/** A compile context over the newest definition of each segment. `versions` are by key, the newest first. */
export function newestContext(
  environment: CompileContext['environment'],
  versions: readonly SegmentVersion[],
): CompileContext {
  const newest = new Map(newestOf(versions).map(({ key, definition }) => [key, definition]));
  return { environment, definitionOf: (key) => newest.get(key) };
}

/** The newest definition of each segment. `versions` are by key, the newest first. */
export function newestOf(versions: readonly SegmentVersion[]): SegmentVersion[] {
  const newest = new Map<string, SegmentVersion>();
  for (const version of versions) if (!newest.has(version.key)) newest.set(version.key, version);
  return [...newest.values()];
}

/** The atoms that these definitions need in an environment. One that does not compile needs none. */
async function atomsOfAll(
  environment: CompileContext['environment'],
  definitions: readonly SegmentVersion[],
): Promise<Map<string, AtomDefinition>> {
  const atoms = new Map<string, AtomDefinition>();
  for (const [place, { key, definition }] of definitions.entries()) {
    if (place % SEGMENTS_IN_ONE_GO === SEGMENTS_IN_ONE_GO - 1) await setImmediate();
    for (const [atomKey, atom] of ownAtoms(environment, key, definition)) atoms.set(atomKey, atom);
  }
  return atoms;
}

/** The atoms that the newest definitions of these segments need in an environment. */
export async function requiredAtoms(
  environment: CompileContext['environment'],
  versions: readonly SegmentVersion[],
): Promise<Map<string, AtomDefinition>> {
  return atomsOfAll(environment, newestOf(versions));
}

/** The keys of the atoms of every definition that an environment may be serving, under each of the settings under which it may; `required` are those of the newest. */
export async function servableAtomKeys(
  environment: Environment,
  versions: readonly SegmentVersion[],
  required: ReadonlyMap<string, AtomDefinition>,
): Promise<Set<string>> {
  const keys = new Set(required.keys());
  const note = async (settings: EnvironmentSettings, definitions: readonly SegmentVersion[]): Promise<void> => {
    const { name, identityKeyMode } = settings;
    const atoms = await atomsOfAll({ key: environment.key, name, identityKeyMode }, definitions);
    for (const key of atoms.keys()) keys.add(key);
  };
  const newest = new Set(newestOf(versions));
  await note(
    environment,
    versions.filter((version) => !newest.has(version)),
  );
  for (const settings of environment.earlierSettings) await note(settings, versions);
  return keys;
}

const NO_ONE: SegmentDefinition = { dialect: 'flagsmith', enabled: true, parent: '', rules: [] };

/** The atoms of a segment's own conditions; those of segments that it refers to are theirs. */
function ownAtoms(
  environment: CompileContext['environment'],
  key: string,
  definition: SegmentDefinition,
): ReadonlyMap<string, AtomDefinition> {
  try {
    return atomsOfTree(compileSegment(key, definition, { environment, definitionOf: () => NO_ONE }));
  } catch (error) {
    if (error instanceof RollcallError) return new Map();
    throw error;
  }
}
