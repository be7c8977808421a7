import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { IdentityKeyMode } from '../../core/environment-settings.js';
import { RollcallError } from '../../core/errors.js';
import {
  type EnvironmentSchema,
  type EnvironmentService,
  IdentityKeyMode as KeyModeMessage,
  OrdinalMode as OrdinalModeMessage,
} from '../../gen/rollcall/v1/environment_service_pb.js';
import type { CommittedRevision } from '../../indexing/applier.js';
import { createEnvironment } from '../../indexing/catalog-writer.js';
import { environmentEntry } from '../../indexing/audit-states.js';
import { type EnvironmentChanges, updateEnvironment } from '../../indexing/update-environment.js';
import { indexOff } from '../../query/environment-state.js';
import type { EnvironmentIndexes } from '../../query/environment-indexes.js';
import { writeAudit } from '../../storage/audit.js';
import { type Database, inTransaction } from '../../storage/database.js';
import {
  type Environment,
  findEnvironment,
  listEnvironments,
  markEnvironmentDeleted,
  type NewEnvironment,
} from '../../storage/environments.js';
import { DEFAULT_ORGANISATION, DEFAULT_PROJECT } from '../default-tenancy.js';
import { checkSource, ordinalModeOf, sourceMessage, sourceOf } from '../messages/source-messages.js';
import type { Handlers } from '../transport/handlers.js';
import { pageSizeOf, readNameToken, writeNameToken } from '../messages/name-tokens.js';

/** Who is told of an environment to load, and of revisions. */
export interface EnvironmentListeners {
  readonly onToLoad: () => void;
  readonly onCommitted: (revision: CommittedRevision) => void;
  /** Looks at the gate of an organisation that was never looked at. */
  readonly settleGate: (organisation: string) => Promise<void>;
}

/** The handlers of EnvironmentService, without adoption. */
export function environmentHandlers(
  database: Database,
  indexes: EnvironmentIndexes,
  { onToLoad, onCommitted, settleGate }: EnvironmentListeners,
): Omit<Handlers<typeof EnvironmentService>, 'adoptFlagsmith'> {
  return {
    async create({ environment }, { actor }) {
      if (environment === undefined)
        throw new RollcallError('INVALID_REQUEST', 'the environment is missing', {
          metadata: { field: 'environment' },
        });
      const { key, name, project, organisation, identityKeyMode } = environment;
      const source = sourceOf(environment.source);
      const ordinalMode = ordinalModeOf(environment.ordinalMode, source);
      checkSource(source, ordinalMode);
      const settings: NewEnvironment = {
        key,
        name: name === '' ? key : name,
        project: project === '' ? DEFAULT_PROJECT : project,
        organisation: organisation === '' ? DEFAULT_ORGANISATION : organisation,
        ordinalMode,
        identityKeyMode: keyModeOf(identityKeyMode),
        source,
      };
      await settleGate(settings.organisation);
      const created = await createEnvironment(database, settings, actor);
      if (created.source !== '') onToLoad();
      return { environment: environmentMessage(created) };
    },
    async get({ key }) {
      return { environment: environmentMessage(await expectEnvironment(database, key)) };
    },
    async list({ project, pageSize, pageToken }) {
      const size = pageSizeOf(pageSize);
      const found = await listEnvironments(database.sql, readNameToken(pageToken), size + 1, project);
      const page = found.slice(0, size);
      return {
        environments: page.map(environmentMessage),
        nextPageToken: found.length > size ? writeNameToken(page.at(-1)?.key) : '',
      };
    },
    async update({ key, name, identityKeyMode, source }, { actor }) {
      const changes: EnvironmentChanges = {
        ...(name === undefined ? {} : { name }),
        ...(identityKeyMode === undefined ? {} : { identityKeyMode: keyModeOf(identityKeyMode) }),
        ...(source === undefined ? {} : { source: sourceOf(source) }),
      };
      if (changes.source !== undefined)
        checkSource(changes.source, (await expectEnvironment(database, key)).ordinalMode);
      const { environment, revisions } = await updateEnvironment(database, key, changes, actor);
      revisions.forEach(onCommitted);
      return { environment: environmentMessage(environment) };
    },
    async delete({ key }, { actor }) {
      await inTransaction(database, { isolation: 'read committed' }, async (tx) => {
        const deleted = await markEnvironmentDeleted(tx, key);
        if (deleted === undefined) throw unknownEnvironment(key);
        await writeAudit(tx, [environmentEntry(actor, deleted, { before: deleted })]);
      });
      indexes.forget(key);
      return {};
    },
  };
}

function keyModeOf(mode: KeyModeMessage): IdentityKeyMode {
  return mode === KeyModeMessage.ID ? 'id' : 'composite';
}

/** Throws ENVIRONMENT_NOT_FOUND. */
export async function expectEnvironment(database: Database, key: string): Promise<Environment> {
  const environment = await findEnvironment(database.sql, key);
  if (environment === undefined) throw unknownEnvironment(key);
  return environment;
}

/** Throws ENVIRONMENT_NOT_FOUND, and INDEX_OFF. */
export async function expectEnvironmentOn(database: Database, key: string): Promise<Environment> {
  const environment = await expectEnvironment(database, key);
  if (environment.state === 'off') throw indexOff(environment);
  return environment;
}

function unknownEnvironment(key: string): RollcallError {
  return new RollcallError('ENVIRONMENT_NOT_FOUND', `the environment '${key}' does not exist`, {
    metadata: { environment: key },
  });
}

function environmentMessage(environment: Environment): MessageInitShape<typeof EnvironmentSchema> {
  const { key, name, project, organisation, ordinalMode, identityKeyMode, createdAt, source } = environment;
  return {
    key,
    name,
    project,
    organisation,
    ordinalMode: ordinalMode === 'given' ? OrdinalModeMessage.GIVEN : OrdinalModeMessage.ALLOTTED,
    identityKeyMode: identityKeyMode === 'id' ? KeyModeMessage.ID : KeyModeMessage.COMPOSITE,
    createdAt: timestampFromDate(createdAt),
    source: sourceMessage(source),
  };
}
