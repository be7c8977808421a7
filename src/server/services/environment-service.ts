import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { RollcallError } from '../../core/errors.js';
import {
  type EnvironmentSchema,
  type EnvironmentService,
  IdentityKeyMode as KeyModeMessage,
  OrdinalMode as OrdinalModeMessage,
} from '../../gen/rollcall/v1/environment_service_pb.js';
import { createEnvironment } from '../../indexing/catalog-writer.js';
import type { EnvironmentIndexes } from '../../query/environment-indexes.js';
import { forgetCaptures } from '../../storage/captures.js';
import { type Database, inTransaction } from '../../storage/database.js';
import {
  type Environment,
  findEnvironment,
  listEnvironments,
  markEnvironmentDeleted,
} from '../../storage/environments.js';
import { DEFAULT_ORGANISATION, DEFAULT_PROJECT } from '../default-tenancy.js';
import type { Handlers } from '../transport/handlers.js';
import { pageSizeOf, readNameToken, writeNameToken } from '../messages/name-tokens.js';

/** The handlers of EnvironmentService. */
export function environmentHandlers(
  database: Database,
  indexes: EnvironmentIndexes,
): Handlers<typeof EnvironmentService> {
  return {
    async create({ environment }) {
      if (environment === undefined)
        throw new RollcallError('INVALID_REQUEST', 'the environment is missing', {
          metadata: { field: 'environment' },
        });
      const { key, name, project, organisation, ordinalMode, identityKeyMode } = environment;
      const created = await createEnvironment(database, {
        key,
        name: name === '' ? key : name,
        project: project === '' ? DEFAULT_PROJECT : project,
        organisation: organisation === '' ? DEFAULT_ORGANISATION : organisation,
        ordinalMode: ordinalMode === OrdinalModeMessage.GIVEN ? 'given' : 'allotted',
        identityKeyMode: identityKeyMode === KeyModeMessage.ID ? 'id' : 'composite',
      });
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
    async delete({ key }) {
      await inTransaction(database, { isolation: 'read committed' }, async (tx) => {
        if (!(await markEnvironmentDeleted(tx, key))) throw unknownEnvironment(key);
        await forgetCaptures(tx, key);
      });
      indexes.forget(key);
      return {};
    },
  };
}

/** Throws ENVIRONMENT_NOT_FOUND. */
export async function expectEnvironment(database: Database, key: string): Promise<Environment> {
  const environment = await findEnvironment(database.sql, key);
  if (environment === undefined) throw unknownEnvironment(key);
  return environment;
}

function unknownEnvironment(key: string): RollcallError {
  return new RollcallError('ENVIRONMENT_NOT_FOUND', `the environment '${key}' does not exist`, {
    metadata: { environment: key },
  });
}

function environmentMessage(environment: Environment): MessageInitShape<typeof EnvironmentSchema> {
  const { key, name, project, organisation, ordinalMode, identityKeyMode, createdAt } = environment;
  return {
    key,
    name,
    project,
    organisation,
    ordinalMode: ordinalMode === 'given' ? OrdinalModeMessage.GIVEN : OrdinalModeMessage.ALLOTTED,
    identityKeyMode: identityKeyMode === 'id' ? KeyModeMessage.ID : KeyModeMessage.COMPOSITE,
    createdAt: timestampFromDate(createdAt),
  };
}
