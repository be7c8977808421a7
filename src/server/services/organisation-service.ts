import type { JsonObject, MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { RollcallError } from '../../core/errors.js';
import {
  Gate as GateMessage,
  type OrganisationSchema,
  type OrganisationService,
  type OrganisationServiceUpdateRequest,
  WhenOff as WhenOffMessage,
} from '../../gen/rollcall/v1/organisation_service_pb.js';
import { putOrganisation } from '../../indexing/put-organisation.js';
import type { Database } from '../../storage/database.js';
import {
  findOrganisation,
  type Gate,
  listOrganisations,
  type Organisation,
  type OrganisationChanges,
  type WhenOff,
} from '../../storage/organisations.js';
import { pageSizeOf, readNameToken, writeNameToken } from '../messages/name-tokens.js';
import type { Handlers } from '../transport/handlers.js';

const GATES = { '': GateMessage.UNSPECIFIED, flag: GateMessage.FLAG, denylist: GateMessage.DENYLIST } satisfies Record<
  Gate,
  GateMessage
>;
const WHEN_OFF = {
  '': WhenOffMessage.UNSPECIFIED,
  keep: WhenOffMessage.KEEP,
  purge: WhenOffMessage.PURGE,
} satisfies Record<WhenOff, WhenOffMessage>;
const MAX_ATTRIBUTES_LENGTH = 64 * 1024;

/** The handlers of OrganisationService. `lookAt` looks at the gate of an organisation at once. */
export function organisationHandlers(
  database: Database,
  lookAt: (key: string) => Promise<void>,
): Handlers<typeof OrganisationService> {
  const expect = async (key: string): Promise<Organisation> => {
    const organisation = await findOrganisation(database.sql, key);
    if (organisation !== undefined) return organisation;
    throw new RollcallError('ORGANISATION_NOT_FOUND', `no environment belongs to an organisation '${key}'`, {
      metadata: { organisation: key },
    });
  };
  return {
    async get({ key }) {
      return { organisation: organisationMessage(await expect(key)) };
    },
    async list({ pageSize, pageToken }) {
      const size = pageSizeOf(pageSize);
      const found = await listOrganisations(database.sql, readNameToken(pageToken), size + 1);
      const page = found.slice(0, size);
      return {
        organisations: page.map(organisationMessage),
        nextPageToken: found.length > size ? writeNameToken(page.at(-1)?.key) : '',
      };
    },
    async update(request, { actor }) {
      await putOrganisation(database, request.key, changesOf(request), actor);
      await lookAt(request.key);
      return { organisation: organisationMessage(await expect(request.key)) };
    },
  };
}

function changesOf({ name, attributes, whenOff }: OrganisationServiceUpdateRequest): OrganisationChanges {
  return {
    ...(name === undefined ? {} : { name: checkText('name', name) }),
    ...(attributes === undefined ? {} : { attributes: checkAttributes(attributes) }),
    ...(whenOff === undefined ? {} : { whenOff: whenOffOf(whenOff) }),
  };
}

function checkAttributes(attributes: JsonObject): JsonObject {
  const text = checkText('attributes', JSON.stringify(attributes));
  if (text.length <= MAX_ATTRIBUTES_LENGTH && !text.includes('\\u0000')) return attributes;
  throw invalid('attributes', `have at most ${MAX_ATTRIBUTES_LENGTH} characters as JSON, and no NUL character`);
}

function checkText(field: string, text: string): string {
  if (!text.includes('\0') && text.isWellFormed()) return text;
  throw invalid(field, 'has no NUL character and no lone surrogate');
}

function invalid(field: string, problem: string): RollcallError {
  return new RollcallError('INVALID_REQUEST', `${field} ${problem}`, { metadata: { field } });
}

function whenOffOf(message: WhenOffMessage): WhenOff {
  switch (message) {
    case WhenOffMessage.UNSPECIFIED:
      return '';
    case WhenOffMessage.KEEP:
      return 'keep';
    case WhenOffMessage.PURGE:
      return 'purge';
  }
}

function organisationMessage(organisation: Organisation): MessageInitShape<typeof OrganisationSchema> {
  const { key, name, attributes, gate, whenOff, gatedAt } = organisation;
  return {
    ...{ key, name, attributes },
    gate: GATES[gate],
    whenOff: WHEN_OFF[whenOff],
    ...(gatedAt === null ? {} : { gatedAt: timestampFromDate(gatedAt) }),
  };
}
