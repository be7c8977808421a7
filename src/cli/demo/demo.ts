import type { RollcallClient } from '../client.js';
import type { CommandContext } from '../context.js';
import type { DemoScreen } from './demo-screen.js';

export interface DemoOptions {
  readonly identities: number;
  readonly seed: number;
  readonly dataDirectory: string;
  /** Whether the live changes go by a Kafka broker. */
  readonly kafka?: true;
  readonly progress?: boolean;
}

/** What each part of the demo has. */
export interface Demo {
  readonly context: CommandContext;
  readonly client: RollcallClient;
  readonly screen: DemoScreen;
  readonly options: DemoOptions;
}

export const ENVIRONMENT = 'default';

/** The selector of a stored segment. */
export function stored(key: string) {
  return { environment: ENVIRONMENT, target: { case: 'segment', value: key } } as const;
}
