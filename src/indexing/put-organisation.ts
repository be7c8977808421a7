import { writeAudit } from '../storage/audit.js';
import { type Database, inTransaction } from '../storage/database.js';
import {
  changeOrganisation,
  findOrganisation,
  lockOrganisation,
  type OrganisationChanges,
} from '../storage/organisations.js';
import { organisationEntry } from './organisation-audit.js';

/** Changes what is given of an organisation, which is put where it is not there. Nothing is written where nothing changes. */
export async function putOrganisation(
  database: Database,
  key: string,
  changes: OrganisationChanges,
  actor: string,
): Promise<void> {
  await inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const isKnown = (await findOrganisation(tx, key)) !== undefined;
    const before = await lockOrganisation(tx, key);
    const entry = organisationEntry(actor, isKnown ? before : undefined, { ...before, ...changes });
    if (entry === undefined) return;
    await changeOrganisation(tx, before, changes);
    await writeAudit(tx, [entry]);
  });
}
