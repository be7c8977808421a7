import { randomUUID } from 'node:crypto';
import { atomsOfTree, checkSegment } from '../core/compile.js';
import { RollcallError } from '../core/errors.js';
import {
  conditionsOf,
  MAX_LIST_BYTES,
  MAX_LIST_VALUES,
  referencesOf,
  type Rule,
  type SegmentDefinition,
} from '../core/segments.js';
import { keyFinder, withKeys } from '../core/import/segment-names.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import { environmentsOfProject } from '../storage/environments.js';
import { findOperandList, writeOperandList } from '../storage/operand-lists.js';
import {
  deleteSegment,
  findSegment,
  lockProject,
  readSegments,
  readSegmentVersions,
  type SegmentVersion,
  type StoredSegment,
  writeSegment,
} from '../storage/segments.js';
import type { CommittedRevision } from './applier.js';
import { takeCatalogRevision, takeSegmentRevision } from './catalog-writer.js';
import { newestContext } from './required-atoms.js';

/** A segment as a caller writes it. Lists in its conditions are named; what they hold now is looked up. */
export interface SegmentDraft {
  readonly project: string;
  readonly key: string;
  readonly name: string;
  readonly description: string;
  readonly definition: SegmentDefinition;
}

/** A segment that was written, with the revision that did it in each environment of its project. */
export interface WrittenSegment {
  readonly segment: StoredSegment;
  readonly revisions: readonly CommittedRevision[];
}

/** Stands for any environment where a project has none yet, so that segments are checked all the same. */
const NO_ENVIRONMENT = { key: '', name: '' };

/** Creates a segment. Throws SEGMENT_EXISTS, or what `checkSegment` throws. */
export async function createSegment(database: Database, draft: SegmentDraft): Promise<WrittenSegment> {
  return inProject(database, draft.project, async (tx) => {
    if ((await findSegment(tx, draft.project, draft.key)) !== undefined) {
      throw new RollcallError('SEGMENT_EXISTS', `the segment '${draft.key}' exists already`, {
        metadata: { segment: draft.key },
      });
    }
    return write(tx, draft, 1);
  });
}

/** Replaces a segment. `etag` is that of the segment as the caller knows it, '' for any. Throws SEGMENT_NOT_FOUND, ETAG_MISMATCH, or what `checkSegment` throws. */
export async function updateSegment(
  database: Database,
  project: string,
  key: string,
  etag: string,
  change: (segment: StoredSegment) => SegmentDraft,
): Promise<WrittenSegment> {
  return inProject(database, project, async (tx) => {
    const segment = await expectSegment(tx, project, key, etag);
    return write(tx, change(segment), segment.version + 1);
  });
}

/** Deletes a segment at once, at any size. Throws SEGMENT_NOT_FOUND, ETAG_MISMATCH, SEGMENT_REFERENCED. */
export async function removeSegment(
  database: Database,
  project: string,
  key: string,
  etag: string,
): Promise<readonly CommittedRevision[]> {
  return inProject(database, project, async (tx) => {
    await expectSegment(tx, project, key, etag);
    const referrers = new Set(
      (await readSegmentVersions(tx, project))
        .filter((version) => version.key !== key && refersTo(version.definition, key))
        .map((version) => version.key),
    );
    if (referrers.size > 0) {
      const names = [...referrers].slice(0, 20).join(', ');
      throw new RollcallError('SEGMENT_REFERENCED', `other segments refer to '${key}': ${names}`, {
        metadata: { segment: key, segments: names },
      });
    }
    await deleteSegment(tx, project, key);
    const revisions: CommittedRevision[] = [];
    for (const environment of await environmentsOfProject(tx, project))
      revisions.push(await takeCatalogRevision(tx, environment));
    return revisions;
  });
}

/** One that an import disabled keeps nothing from being deleted: two of them may refer to each other. */
function refersTo(definition: SegmentDefinition, key: string): boolean {
  return definition.disabledReason === undefined && referencesOf(definition).has(key);
}

/** Stores an operand list under a name and moves the segments that refer to it to its new content. Throws INVALID_OPERAND where it is too large. */
export async function putList(
  database: Database,
  project: string,
  name: string,
  values: ReadonlySet<string>,
): Promise<{ sha256: string; revisions: readonly CommittedRevision[] }> {
  checkListSize(values);
  return inProject(database, project, async (tx) => {
    const earlier = await findOperandList(tx, project, name);
    const sha256 = await writeOperandList(tx, project, name, values);
    const revisions: CommittedRevision[] = [];
    if (earlier === undefined || earlier === sha256) return { sha256, revisions };
    for (const key of keysReferringTo(name, await readSegmentVersions(tx, project))) {
      const segment = await findSegment(tx, project, key);
      if (segment !== undefined) revisions.push(...(await write(tx, segment, segment.version + 1)).revisions);
    }
    return { sha256, revisions };
  });
}

async function inProject<T>(database: Database, project: string, work: (tx: Sql) => Promise<T>): Promise<T> {
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    await lockProject(tx, project);
    return work(tx);
  });
}

async function expectSegment(tx: Sql, project: string, key: string, etag: string): Promise<StoredSegment> {
  const segment = await findSegment(tx, project, key);
  if (segment === undefined)
    throw new RollcallError('SEGMENT_NOT_FOUND', `the segment '${key}' does not exist`, { metadata: { segment: key } });
  if (etag !== '' && etag !== segment.etag) {
    throw new RollcallError('ETAG_MISMATCH', `the segment '${key}' was changed in the meantime`, {
      metadata: { segment: key, etag: segment.etag },
    });
  }
  return segment;
}

/** Checks and writes a version, and registers the atoms it needs in every environment of the project, in the same transaction. */
async function write(tx: Sql, draft: SegmentDraft, version: number): Promise<WrittenSegment> {
  const { project, key } = draft;
  const named = await resolveNames(tx, project, draft.definition);
  const definition = { ...named, rules: await resolveLists(tx, project, named.rules) };
  const versions = [{ key, version, etag: '', definition }, ...(await readSegmentVersions(tx, project))];
  const environments = await environmentsOfProject(tx, project);
  checkSegment(key, definition, newestContext(NO_ENVIRONMENT, versions));
  const segment = await writeSegment(tx, { ...draft, definition, version, etag: randomUUID() });
  const revisions: CommittedRevision[] = [];
  for (const environment of environments) {
    const compiled = checkSegment(key, definition, newestContext(environment, versions));
    revisions.push(await takeSegmentRevision(tx, environment, atomsOfTree(compiled)));
  }
  return { segment, revisions };
}

/** The definition with the keys of the segments that its conditions name: in litestar-flags a segment is also known by its name or id. */
async function resolveNames(tx: Sql, project: string, definition: SegmentDefinition): Promise<SegmentDefinition> {
  const { dialect, rules } = definition;
  if (dialect !== 'litestar' || referencesOf({ ...definition, parent: '' }).size === 0) return definition;
  const keyOf = keyFinder([], await readSegments(tx, project));
  return { ...definition, rules: withKeys(rules, (reference) => keyOf(dialect, reference)) };
}

/** Rules with the content that each list's name stands for now. Throws LIST_NOT_FOUND. */
export async function resolveLists(tx: Sql, project: string, rules: readonly Rule[]): Promise<Rule[]> {
  const contents = new Map<string, string>();
  for (const { list } of conditionsOf(rules)) {
    if (list === undefined || contents.has(list.name)) continue;
    const sha256 = await findOperandList(tx, project, list.name);
    if (sha256 === undefined) {
      throw new RollcallError('LIST_NOT_FOUND', `the operand list '${list.name}' does not exist`, {
        metadata: { list: list.name },
      });
    }
    contents.set(list.name, sha256);
  }
  return withContents(rules, contents);
}

function withContents(rules: readonly Rule[], contents: ReadonlyMap<string, string>): Rule[] {
  return rules.map((rule) => ({
    type: rule.type,
    rules: withContents(rule.rules, contents),
    conditions: rule.conditions.map((condition) =>
      condition.list === undefined
        ? condition
        : { ...condition, list: { name: condition.list.name, sha256: contents.get(condition.list.name) ?? '' } },
    ),
  }));
}

function keysReferringTo(listName: string, versions: readonly SegmentVersion[]): ReadonlySet<string> {
  const refersToList = (rules: readonly Rule[]): boolean =>
    [...conditionsOf(rules)].some(({ list }) => list?.name === listName);
  return new Set(versions.filter(({ definition }) => refersToList(definition.rules)).map(({ key }) => key));
}

function checkListSize(values: ReadonlySet<string>): void {
  let bytes = 0;
  for (const value of values) bytes += Buffer.byteLength(value);
  if (values.size <= MAX_LIST_VALUES && bytes <= MAX_LIST_BYTES) return;
  throw new RollcallError(
    'INVALID_OPERAND',
    `a list holds at most ${MAX_LIST_VALUES} values and ${MAX_LIST_BYTES} bytes`,
    {
      metadata: { values: String(values.size), bytes: String(bytes) },
    },
  );
}
