import type { AuditState, NewAuditEntry } from '../storage/audit.js';
import type { Organisation } from '../storage/organisations.js';

/** The entry for an organisation that was put or changed, or whose gate turned; undefined where nothing of it is different. */
export function organisationEntry(
  actor: string,
  before: Organisation | undefined,
  after: Organisation,
  note = '',
): NewAuditEntry | undefined {
  const [was, is] = [before === undefined ? undefined : organisationState(before), organisationState(after)];
  if (JSON.stringify(was) === JSON.stringify(is)) return undefined;
  const { key } = after;
  return {
    ...{ actor, subject: 'organisation', key, after: is, note },
    ...(was === undefined ? { action: 'created' } : { action: 'updated', before: was }),
  };
}

/** As `rollcall.v1.Organisation` in JSON. */
function organisationState({ key, name, attributes, gate, whenOff, gatedAt }: Organisation): AuditState {
  return {
    ...{ key, name, attributes: { ...attributes } },
    ...(gate === '' ? {} : { gate: `GATE_${gate.toUpperCase()}` }),
    ...(whenOff === '' ? {} : { whenOff: `WHEN_OFF_${whenOff.toUpperCase()}` }),
    ...(gatedAt === null ? {} : { gatedAt: gatedAt.toISOString() }),
  };
}
