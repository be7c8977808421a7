import { userInfo } from 'node:os';

/** The name of the user that runs this process; undefined where the system knows none. */
export function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}
