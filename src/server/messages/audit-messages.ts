import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { RollcallError } from '../../core/errors.js';
import {
  AuditAction as ActionMessage,
  type AuditEntrySchema,
  AuditSubject as SubjectMessage,
  type ListAuditEntriesRequest,
} from '../../gen/rollcall/v1/audit_service_pb.js';
import type { AuditAction, AuditEntry, AuditFilter, AuditSubject } from '../../storage/audit.js';

const ACTIONS = {
  created: ActionMessage.CREATED,
  updated: ActionMessage.UPDATED,
  deleted: ActionMessage.DELETED,
} satisfies Record<AuditAction, ActionMessage>;

const SUBJECTS = {
  segment: SubjectMessage.SEGMENT,
  list: SubjectMessage.LIST,
  environment: SubjectMessage.ENVIRONMENT,
  organisation: SubjectMessage.ORGANISATION,
} satisfies Record<AuditSubject, SubjectMessage>;

/** Postgres's times reach further, but a message's do not. */
const MAX_SECONDS = BigInt(Date.UTC(10_000, 0)) / 1000n;

/** The entries that a request means: what it leaves out lets any through. Throws INVALID_REQUEST where a time is none. */
export function readAuditFilter(request: ListAuditEntriesRequest): AuditFilter {
  const { project, key, actor } = request;
  const action = nameOf(ACTIONS, request.action);
  const subject = nameOf(SUBJECTS, request.subject);
  return {
    ...(action === undefined ? {} : { action }),
    ...(subject === undefined ? {} : { subject }),
    ...(project === '' ? {} : { project }),
    ...(key === '' ? {} : { key }),
    ...(actor === '' ? {} : { actor }),
    ...(request.since === undefined ? {} : { since: readTime('since', request.since) }),
    ...(request.until === undefined ? {} : { until: readTime('until', request.until) }),
  };
}

export function auditEntryMessage(entry: AuditEntry): MessageInitShape<typeof AuditEntrySchema> {
  const { id, at, actor, action, subject, project, key, before, after, note } = entry;
  return {
    id: BigInt(id),
    at: timestampFromDate(at),
    actor,
    action: ACTIONS[action],
    subject: SUBJECTS[subject],
    project,
    key,
    ...(before === null ? {} : { before }),
    ...(after === null ? {} : { after }),
    note,
  };
}

function nameOf<Name extends string>(messages: Readonly<Record<Name, number>>, message: number): Name | undefined {
  for (const name in messages) if (messages[name] === message) return name;
  return undefined;
}

/** In milliseconds, rounded up: a time within one is after the entries that show it. */
function readTime(field: string, { seconds, nanos }: Timestamp): Date {
  if (seconds < 0n || seconds >= MAX_SECONDS || nanos < 0 || nanos >= 1e9)
    throw new RollcallError('INVALID_REQUEST', 'the time is not one from 1970 to 9999', { metadata: { field } });
  return new Date(Number(seconds) * 1000 + Math.ceil(nanos / 1e6));
}
