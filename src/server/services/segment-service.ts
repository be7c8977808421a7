import { RollcallError } from '../../core/errors.js';
import type { Segment } from '../../gen/rollcall/v1/segment_pb.js';
import { readDocument } from '../../core/import/read-document.js';
import { readSegments } from '../../core/import/read-segments.js';
import { type ImportRequest, ImportMode, type SegmentService } from '../../gen/rollcall/v1/segment_service_pb.js';
import type { CommittedRevision } from '../../indexing/applier.js';
import { importSegments } from '../../indexing/import-segments.js';
import {
  createSegment,
  putList,
  removeSegment,
  type SegmentDraft,
  updateSegment,
} from '../../indexing/segment-writer.js';
import type { Database } from '../../storage/database.js';
import { findSegment, listSegments, type StoredSegment } from '../../storage/segments.js';
import { DEFAULT_PROJECT } from '../default-tenancy.js';
import type { Handlers } from '../transport/handlers.js';
import { readListUpload } from '../list-upload.js';
import { unpackDocument } from '../unpack-document.js';
import { pageSizeOf, readNameToken, writeNameToken } from '../messages/name-tokens.js';
import { importedMessage, formatOf } from '../messages/import-messages.js';
import { dialectOf, rulesOf, segmentMessage } from '../messages/segment-messages.js';

/** The handlers of SegmentService. `onCommitted` is told of every revision they take. */
export function segmentHandlers(
  database: Database,
  onCommitted: (revision: CommittedRevision) => void,
): Handlers<typeof SegmentService> {
  return {
    async create({ segment: message }, { actor }) {
      const draft = draftOf(expectSegment(message), undefined);
      const { segment, revisions } = await createSegment(database, draft, actor);
      revisions.forEach(onCommitted);
      return { segment: segmentMessage(segment) };
    },
    async get({ project, key }) {
      return { segment: segmentMessage(await findOrThrow(database, projectOf(project), key)) };
    },
    async list({ project, pageSize, pageToken }) {
      return listPage(database, projectOf(project), '', pageSize, pageToken);
    },
    async update({ segment: message }, { actor }) {
      const wanted = expectSegment(message);
      const { segment, revisions } = await updateSegment(
        database,
        { project: projectOf(wanted.project), key: wanted.key, etag: wanted.etag },
        (current) => draftOf(wanted, current),
        actor,
      );
      revisions.forEach(onCommitted);
      return { segment: segmentMessage(segment) };
    },
    async delete({ project, key, etag }, { actor }) {
      (await removeSegment(database, { project: projectOf(project), key, etag }, actor)).forEach(onCommitted);
      return {};
    },
    async listChildren({ project, key, pageSize, pageToken }) {
      await findOrThrow(database, projectOf(project), key);
      return listPage(database, projectOf(project), key, pageSize, pageToken);
    },
    async import(request, { actor }) {
      const { segments, revisions } = await importDocument(database, request, actor);
      revisions.forEach(onCommitted);
      return { segments: segments.map(importedMessage) };
    },
    async putList(requests, { actor }) {
      const uploaded = await readListUpload(requests);
      const list = { ...uploaded, project: projectOf(uploaded.project) };
      const { sha256, revisions } = await putList(database, list, actor);
      revisions.forEach(onCommitted);
      return { project: list.project, name: list.name, size: BigInt(list.values.size), sha256 };
    },
  };
}

function importDocument(
  database: Database,
  { project, document, format, mode, dryRun, key }: ImportRequest,
  actor: string,
) {
  const imported = readSegments(readDocument(unpackDocument(document)), { format: formatOf(format), key });
  return importSegments(database, imported, {
    project: projectOf(project),
    mode: mode === ImportMode.CREATE ? 'create' : 'replace',
    isDryRun: dryRun,
    actor,
  });
}

function projectOf(project: string): string {
  return project === '' ? DEFAULT_PROJECT : project;
}

function expectSegment(message: Segment | undefined): Segment {
  if (message === undefined)
    throw new RollcallError('INVALID_REQUEST', 'the segment is missing', { metadata: { field: 'segment' } });
  return message;
}

/** What is left out of an update stays where it is whether the segment is enabled, or its name; a description that is left out is erased. */
function draftOf(message: Segment, current: StoredSegment | undefined): SegmentDraft {
  const { key, name, description, parent, dialect, rules } = message;
  const enabled = message.enabled ?? current?.definition.enabled ?? true;
  const sourceId = current?.definition.sourceId;
  return {
    project: projectOf(message.project),
    key,
    name: name === '' ? (current?.name ?? key) : name,
    description,
    definition: {
      dialect: dialectOf(dialect),
      enabled,
      parent,
      rules: rulesOf(rules),
      ...(sourceId === undefined ? {} : { sourceId }),
    },
  };
}

async function findOrThrow(database: Database, project: string, key: string): Promise<StoredSegment> {
  const segment = await findSegment(database.sql, project, key);
  if (segment === undefined)
    throw new RollcallError('SEGMENT_NOT_FOUND', `the segment '${key}' does not exist`, { metadata: { segment: key } });
  return segment;
}

async function listPage(database: Database, project: string, parent: string, pageSize: number, pageToken: string) {
  const size = pageSizeOf(pageSize);
  const found = await listSegments(database.sql, project, parent, readNameToken(pageToken), size + 1);
  const page = found.slice(0, size);
  return {
    segments: page.map(segmentMessage),
    nextPageToken: found.length > size ? writeNameToken(page.at(-1)?.key) : '',
  };
}
