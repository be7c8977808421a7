import { type AuditEntry, AuditAction, AuditSubject } from '../../gen/rollcall/v1/audit_service_pb.js';
import { timeText } from '../format.js';
import { type Json, jsonOf } from '../json.js';
import { formatTable, printable } from '../table.js';
import { changesText } from './changes-text.js';

export const ACTIONS = {
  created: AuditAction.CREATED,
  updated: AuditAction.UPDATED,
  deleted: AuditAction.DELETED,
} as const;

export const SUBJECTS = {
  segment: AuditSubject.SEGMENT,
  list: AuditSubject.LIST,
  environment: AuditSubject.ENVIRONMENT,
  organisation: AuditSubject.ORGANISATION,
} as const;

export function auditEntryJson(entry: AuditEntry): Json {
  const { id, at, actor, project, key, before, after, note } = entry;
  return {
    id,
    at: timeText(at),
    actor,
    action: actionOf(entry),
    subject: subjectOf(entry),
    project: project === '' ? undefined : project,
    key,
    before: jsonOf(before),
    after: jsonOf(after),
    note: note === '' ? undefined : note,
  };
}

export function auditTable(entries: readonly AuditEntry[]): string {
  const titles = ['when', 'who', 'what', 'project', 'key', 'changes'];
  return formatTable(
    titles.map((title) => ({ title })),
    entries.map((entry) => [
      timeText(entry.at) ?? '',
      printable(entry.actor),
      `${subjectOf(entry)} ${actionOf(entry)}`,
      printable(entry.project),
      printable(entry.key),
      printable([entry.note, changesText(entry.before, entry.after)].filter((text) => text !== '').join('; ')),
    ]),
  );
}

function actionOf({ action }: AuditEntry): string {
  return AuditAction[action].toLowerCase();
}

function subjectOf({ subject }: AuditEntry): string {
  return AuditSubject[subject].toLowerCase();
}
