import type { Condition, Rule } from '../core/segments.js';
import type { AuditAction, AuditState, NewAuditEntry } from '../storage/audit.js';
import type { Environment } from '../storage/environments.js';
import type { StoredSegment } from '../storage/segments.js';

/** What became of something: absent before, it was created; absent after, deleted. */
interface Transition<T> {
  readonly before?: T | undefined;
  readonly after?: T | undefined;
}

/** The entry for a segment that was written or deleted. */
export function segmentEntry(
  actor: string,
  { project, key }: Pick<StoredSegment, 'project' | 'key'>,
  transition: Transition<StoredSegment>,
  note = '',
): NewAuditEntry {
  return { actor, subject: 'segment', project, key, ...entryOf(transition, segmentState), note };
}

/** The entry for an environment that was created or deleted, or whose settings were changed. */
export function environmentEntry(
  actor: string,
  { project, key }: Pick<Environment, 'project' | 'key'>,
  transition: Transition<Environment>,
): NewAuditEntry {
  return { actor, subject: 'environment', project, key, ...entryOf(transition, environmentState) };
}

/** The entry for what was done to an environment that changed none of its settings. */
export function environmentNote(
  actor: string,
  { project, key }: Pick<Environment, 'project' | 'key'>,
  note: string,
): NewAuditEntry {
  return { actor, action: 'updated', subject: 'environment', project, key, note };
}

/** A list by how many values it has and the SHA-256 of its content, in hex. */
export interface ListContent {
  readonly size: number;
  readonly sha256: string;
}

/** The entry for a list that was put. */
export function listEntry(
  actor: string,
  { project, name }: { readonly project: string; readonly name: string },
  transition: Transition<ListContent>,
): NewAuditEntry {
  const listState = ({ size, sha256 }: ListContent): AuditState => ({ project, name, size, sha256 });
  return { actor, subject: 'list', project, key: name, ...entryOf(transition, listState) };
}

function entryOf<T>(
  { before, after }: Transition<T>,
  stateOf: (subject: T) => AuditState,
): { action: AuditAction; before?: AuditState; after?: AuditState } {
  return {
    action: before === undefined ? 'created' : after === undefined ? 'deleted' : 'updated',
    ...(before === undefined ? {} : { before: stateOf(before) }),
    ...(after === undefined ? {} : { after: stateOf(after) }),
  };
}

/** As `rollcall.v1.Segment` in JSON. */
function segmentState(segment: StoredSegment): AuditState {
  const { project, key, name, description, etag, definition, createdAt, updatedAt } = segment;
  const { dialect, enabled, parent, rules, disabledReason = '' } = definition;
  return {
    ...{ project, key, name, description, enabled, parent, etag },
    dialect: `DIALECT_${dialect.toUpperCase()}`,
    rules: rules.map(ruleState),
    ...(disabledReason === '' ? {} : { disabledReason }),
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}

function ruleState({ type, conditions, rules }: Rule): AuditState {
  return { type: `RULE_TYPE_${type}`, conditions: conditions.map(conditionState), rules: rules.map(ruleState) };
}

function conditionState({ property, operator, value, list }: Condition): AuditState {
  return list === undefined ? { property, operator, value } : { property, operator, list: list.name };
}

/** As `rollcall.v1.Environment` in JSON. */
function environmentState(environment: Environment): AuditState {
  const { key, name, project, organisation, ordinalMode, identityKeyMode, source, createdAt } = environment;
  return {
    ...{ key, name, project, organisation },
    ordinalMode: `ORDINAL_MODE_${ordinalMode.toUpperCase()}`,
    identityKeyMode: `IDENTITY_KEY_MODE_${identityKeyMode.toUpperCase()}`,
    ...(source === '' ? {} : { source: `SOURCE_KIND_${source.toUpperCase()}` }),
    createdAt: createdAt.toISOString(),
  };
}
