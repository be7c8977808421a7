import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';
import type { Options } from './options.js';

export type { Logger };

const REDACTED = '[redacted]';
const SECRET_KEYS = ['password', 'token', 'secret', 'authorization'];

/**
 * A logger of JSON lines to standard error, written before the call returns, so that the last words of a process that
 * dies are kept. Passwords in URLs are struck out wherever they stand, in messages and stacks too.
 */
export function createLogger(
  options: Pick<Options, 'logLevel'>,
  output: DestinationStream = pino.destination(2),
): Logger {
  const settings = {
    level: options.logLevel,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`]), censor: REDACTED },
  };
  return pino(settings, { write: (line) => output.write(withoutPasswords(line)) });
}

function withoutPasswords(line: string): string {
  return line
    .replace(/(:\/\/[^\s:@/"]*):[^\s@/"]*@/g, `$1:${REDACTED}@`)
    .replace(/([?&]password=)[^&\s"]*/gi, `$1${REDACTED}`);
}
