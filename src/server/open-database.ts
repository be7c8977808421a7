import type { Closing } from './closing.js';
import type { Logger } from './logger.js';
import type { Options } from './options.js';

/** The URL of the database that the options name, or of one of our own, started here: `closing` is given what stops it. */
export async function openDatabase(options: Options, logger: Logger, closing: Closing): Promise<string> {
  if (options.databaseUrl !== undefined) return options.databaseUrl;
  const { startEmbeddedPostgres } = await import('../storage/embedded/embedded-postgres.js');
  const embedded = await startEmbeddedPostgres({
    dataDirectory: options.dataDirectory,
    log: (line) => {
      logger.debug({ postgres: line });
    },
  });
  embedded.onExit((description) => {
    logger.error({ description }, 'the embedded database ended by itself');
  });
  closing.push(() => embedded.stop());
  return embedded.url;
}
