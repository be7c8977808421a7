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
import { isSameSegment } from '../core/same-segment.js';
import { writeAudit } from '../storage/audit.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import { environmentsOfProject } from '../storage/environments.js';
import { findListContent, findOperandList, writeOperandList } from '../storage/operand-lists.js';
import {
  deleteSegment,
  findSegment,
  lockProject,
  readReachable,
  readSegments,
  readSegmentVersions,
  referrersOf,
  type SegmentVersion,
  type StoredSegment,
  writeSegment,
} from '../storage/segments.js';
import type { CommittedRevision } from './applier.js';
import { listEntry, segmentEntry } from './audit-states.js';
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

/** Which segment, as a caller knows it. */
export interface KnownSegment {
  readonly project: string;
  readonly key: string;
  /** '' for any. */
  readonly etag: string;
}

/** A segment that was written, with the revision that did it in each environment of its project. */
export interface WrittenSegment {
  readonly segment: StoredSegment;
  readonly revisions: readonly CommittedRevision[];
}

/** Segments that an error names. */
const MAX_NAMED = 20;

/** Stands for any environment where a project has none yet, so that segments are checked all the same. */
const NO_ENVIRONMENT = { key: '', name: '', identityKeyMode: 'composite' } as const;

/** Creates a segment. Throws SEGMENT_EXISTS, or what `checkSegment` throws. */
export async function createSegment(database: Database, draft: SegmentDraft, actor: string): Promise<WrittenSegment> {
  return inProject(database, draft.project, async (tx) => {
    if ((await findSegment(tx, draft.project, draft.key)) !== undefined) {
      throw new RollcallError('SEGMENT_EXISTS', `the segment '${draft.key}' exists already`, {
        metadata: { segment: draft.key },
      });
    }
    return write(tx, await resolve(tx, draft), { actor });
  });
}

/** Replaces a segment, unless it is the same. Throws SEGMENT_NOT_FOUND, ETAG_MISMATCH, or what `checkSegment` throws. */
export async function updateSegment(
  database: Database,
  known: KnownSegment,
  change: (segment: StoredSegment) => SegmentDraft,
  actor: string,
): Promise<WrittenSegment> {
  return inProject(database, known.project, async (tx) => {
    const segment = await expectSegment(tx, known);
    const draft = await resolve(tx, change(segment));
    return isSameSegment(draft, segment) ? { segment, revisions: [] } : write(tx, draft, { actor, earlier: segment });
  });
}

/** Deletes a segment at once, at any size. Throws SEGMENT_NOT_FOUND, ETAG_MISMATCH, SEGMENT_REFERENCED. */
export async function removeSegment(
  database: Database,
  known: KnownSegment,
  actor: string,
): Promise<readonly CommittedRevision[]> {
  const { project, key } = known;
  return inProject(database, project, async (tx) => {
    const segment = await expectSegment(tx, known);
    const referrers = await referrersOf(tx, project, key, MAX_NAMED);
    if (referrers.length > 0) {
      const names = referrers.join(', ');
      throw new RollcallError('SEGMENT_REFERENCED', `other segments refer to '${key}': ${names}`, {
        metadata: { segment: key, segments: names },
      });
    }
    await deleteSegment(tx, project, key);
    await writeAudit(tx, [segmentEntry(actor, segment, { before: segment })]);
    const revisions: CommittedRevision[] = [];
    for (const environment of await environmentsOfProject(tx, project))
      revisions.push(await takeCatalogRevision(tx, environment));
    return revisions;
  });
}

/** Stores an operand list under a name and moves the segments that refer to it to its new content. Throws INVALID_OPERAND where it is too large. */
export async function putList(
  database: Database,
  list: { readonly project: string; readonly name: string; readonly values: ReadonlySet<string> },
  actor: string,
): Promise<{ sha256: string; revisions: readonly CommittedRevision[] }> {
  const { project, name, values } = list;
  checkListSize(values);
  return inProject(database, project, async (tx) => {
    const before = await findListContent(tx, project, name);
    const sha256 = await writeOperandList(tx, project, name, values);
    const revisions: CommittedRevision[] = [];
    if (before?.sha256 === sha256) return { sha256, revisions };
    await writeAudit(tx, [listEntry(actor, list, { before, after: { size: values.size, sha256 } })]);
    if (before === undefined) return { sha256, revisions };
    const note = `the list '${name}' has other values`;
    for (const key of keysReferringTo(name, await readSegmentVersions(tx, project))) {
      const earlier = await findSegment(tx, project, key);
      if (earlier === undefined) continue;
      revisions.push(...(await write(tx, await resolve(tx, earlier), { actor, earlier, note })).revisions);
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

async function expectSegment(tx: Sql, { project, key, etag }: KnownSegment): Promise<StoredSegment> {
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

/** Who writes a segment, what it was before if it was there, and why where that is not plain. */
interface Occasion {
  readonly actor: string;
  readonly earlier?: StoredSegment;
  readonly note?: string;
}

/** Checks and writes a version, and registers the atoms it needs in every environment of the project, in the same transaction. */
async function write(tx: Sql, draft: SegmentDraft, { actor, earlier, note }: Occasion): Promise<WrittenSegment> {
  const { project, key, definition } = draft;
  const version = (earlier?.version ?? 0) + 1;
  const versions = [
    { key, version, etag: '', definition },
    ...(await readReachable(tx, project, referencesOf(definition))),
  ];
  const environments = await environmentsOfProject(tx, project);
  checkSegment(key, definition, newestContext(NO_ENVIRONMENT, versions));
  const segment = await writeSegment(tx, { ...draft, version, etag: randomUUID() });
  await writeAudit(tx, [segmentEntry(actor, segment, { before: earlier, after: segment }, note)]);
  const revisions: CommittedRevision[] = [];
  for (const environment of environments) {
    const compiled = checkSegment(key, definition, newestContext(environment, versions));
    revisions.push(await takeSegmentRevision(tx, environment, atomsOfTree(compiled)));
  }
  return { segment, revisions };
}

/** The draft with what its conditions name: segments by their keys, lists by what they hold now. Throws LIST_NOT_FOUND. */
async function resolve(tx: Sql, { project, key, name, description, definition }: SegmentDraft): Promise<SegmentDraft> {
  const named = await resolveNames(tx, project, definition);
  const rules = await resolveLists(tx, project, named.rules);
  return { project, key, name, description, definition: { ...named, rules } };
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
