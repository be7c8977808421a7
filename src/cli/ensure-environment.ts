import { RollcallError } from '../core/errors.js';
import { EnvironmentService, OrdinalMode } from '../gen/rollcall/v1/environment_service_pb.js';
import type { RollcallClient } from './client.js';

/** Creates the environment where there is none, in the project `default`. Returns whether it did. */
export async function ensureEnvironment(
  client: RollcallClient,
  key: string,
  ordinals: 'given' | 'allotted',
): Promise<boolean> {
  try {
    await client.call(EnvironmentService.method.get, { key });
    return false;
  } catch (error) {
    if (!hasReason(error, 'ENVIRONMENT_NOT_FOUND')) throw error;
  }
  const ordinalMode = ordinals === 'given' ? OrdinalMode.GIVEN : OrdinalMode.ALLOTTED;
  try {
    await client.call(EnvironmentService.method.create, { environment: { key, ordinalMode } });
    return true;
  } catch (error) {
    if (hasReason(error, 'ENVIRONMENT_EXISTS')) return false;
    throw error;
  }
}

function hasReason(error: unknown, reason: RollcallError['reason']): boolean {
  return error instanceof RollcallError && error.reason === reason;
}
