import { isDeepStrictEqual } from 'node:util';
import { organisationEntry } from '../../indexing/organisation-audit.js';
import type { FlagsmithOrganisation } from '../../sources/flagsmith/flagsmith-tenancy.js';
import { writeAudit } from '../../storage/audit.js';
import { type Database, inTransaction } from '../../storage/database.js';
import {
  changeOrganisation,
  findOrganisation,
  lockOrganisation,
  type Organisation,
  type OrganisationChanges,
} from '../../storage/organisations.js';
import type { AdoptionOptions, AdoptionOutcome } from './adoption.js';

/** Of the entry in the audit trail. */
const NOTE = 'adopted from Flagsmith';

/** Puts an organisation under its id, or brings its name and attributes up to date; attributes that Flagsmith does not have stay. */
export async function adoptOrganisation(
  database: Database,
  { id, name, attributes }: FlagsmithOrganisation,
  { isDryRun, actor }: Pick<AdoptionOptions, 'isDryRun' | 'actor'>,
): Promise<AdoptionOutcome> {
  const key = String(id);
  const found = await findOrganisation(database.sql, key);
  const outcome = found === undefined ? 'created' : hasAll(found, { name, attributes }) ? 'unchanged' : 'updated';
  if (isDryRun || outcome === 'unchanged') return outcome;
  await inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const before = await findOrganisation(tx, key);
    const current = await lockOrganisation(tx, key);
    const changes = { name, attributes: { ...current.attributes, ...attributes } };
    const entry = organisationEntry(actor, before, await changeOrganisation(tx, current, changes), NOTE);
    if (entry !== undefined) await writeAudit(tx, [entry]);
  });
  return outcome;
}

function hasAll(
  { name, attributes }: Organisation,
  wanted: Required<Pick<OrganisationChanges, 'name' | 'attributes'>>,
) {
  return name === wanted.name && isDeepStrictEqual({ ...attributes, ...wanted.attributes }, attributes);
}
