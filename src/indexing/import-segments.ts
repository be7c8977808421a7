import { randomUUID } from 'node:crypto';
import { atomsOfTree, compileSegment } from '../core/compile.js';
import { RollcallError } from '../core/errors.js';
import type { ImportedSegment } from '../core/import/imported-segment.js';
import { type PlannedSegment, planImport } from '../core/import/plan-import.js';
import { type NewAuditEntry, writeAudit } from '../storage/audit.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import { environmentsOfProject } from '../storage/environments.js';
import {
  lockProject,
  readSegments,
  readSegmentVersions,
  type StoredSegment,
  writeSegment,
} from '../storage/segments.js';
import type { AtomDefinition } from '../core/atoms.js';
import type { CommittedRevision } from './applier.js';
import { segmentEntry } from './audit-states.js';
import { takeSegmentRevision } from './catalog-writer.js';
import { newestContext } from './required-atoms.js';

/** Of each entry of the audit trail. */
const NOTE = 'imported';

/** How segments that are there already are treated: `create` wants none but the same. */
export interface ImportOptions {
  readonly project: string;
  readonly mode: 'create' | 'replace';
  /** Nothing is written. */
  readonly isDryRun: boolean;
  readonly actor: string;
}

/** What became of each segment, in the document's order, and the revisions that did it: none where nothing changed. */
export interface ImportedSegments {
  readonly segments: readonly PlannedSegment[];
  readonly revisions: readonly CommittedRevision[];
}

/** Writes the segments of a document in one transaction. Throws INVALID_DOCUMENT where two have one key, SEGMENT_EXISTS. */
export async function importSegments(
  database: Database,
  imported: readonly ImportedSegment[],
  { project, mode, isDryRun, actor }: ImportOptions,
): Promise<ImportedSegments> {
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    await lockProject(tx, project);
    const existing = await readSegments(tx, project);
    const segments = planImport(imported, existing);
    if (mode === 'create') refuseUpdates(segments);
    const changed = segments.filter(({ outcome }) => outcome !== 'unchanged');
    if (isDryRun || changed.length === 0) return { segments, revisions: [] };
    return { segments, revisions: await writeAll(tx, { project, actor }, changed, existing) };
  });
}

function refuseUpdates(segments: readonly PlannedSegment[]): void {
  const keys = segments.filter(({ outcome }) => outcome === 'updated').map(({ key }) => key);
  if (keys.length === 0) return;
  const names = keys.slice(0, 20).join(', ');
  throw new RollcallError('SEGMENT_EXISTS', `there are other segments already with the keys ${names}`, {
    metadata: { segment: keys[0] ?? '', segments: names },
  });
}

/** One revision for each environment, however many the segments are. */
async function writeAll(
  tx: Sql,
  { project, actor }: Pick<ImportOptions, 'project' | 'actor'>,
  changed: readonly PlannedSegment[],
  existing: readonly StoredSegment[],
): Promise<CommittedRevision[]> {
  const existingByKey = new Map(existing.map((segment) => [segment.key, segment]));
  const entries: NewAuditEntry[] = [];
  for (const { key, name, description, definition } of changed) {
    const before = existingByKey.get(key);
    const version = (before?.version ?? 0) + 1;
    const after = await writeSegment(tx, { project, key, name, description, definition, version, etag: randomUUID() });
    entries.push(segmentEntry(actor, after, { before, after }, NOTE));
  }
  await writeAudit(tx, entries);
  const definitions = await readSegmentVersions(tx, project);
  const revisions: CommittedRevision[] = [];
  for (const environment of await environmentsOfProject(tx, project)) {
    const context = newestContext(environment, definitions);
    const atoms = new Map<string, AtomDefinition>();
    for (const { key, definition } of changed)
      for (const [atomKey, atom] of atomsOfTree(compileSegment(key, definition, context))) atoms.set(atomKey, atom);
    revisions.push(await takeSegmentRevision(tx, environment, atoms));
  }
  return revisions;
}
