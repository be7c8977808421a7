import { loadOptions } from '../../server/options.js';
import type { Options } from '../../server/options.js';
import { connectDatabase } from '../../storage/database.js';
import { startEmbeddedPostgres } from '../../storage/embedded/embedded-postgres.js';
import { migrate } from '../../storage/migrate.js';
import { baseCommand } from '../base-commands.js';
import { serverEnvironment } from '../connect.js';
import type { CommandContext } from '../context.js';
import { green } from '../style.js';

const EXAMPLES = ['rollcall migrate', 'DATABASE_URL=postgres://rollcall@localhost/rollcall rollcall migrate --json'];

export function migrateCommand(context: CommandContext) {
  return baseCommand('migrate', EXAMPLES)
    .description('bring the schema of DATABASE_URL, or else of the embedded database, up to this release')
    .option(
      '--data-directory <path>',
      'the data folder of the embedded database (default .rollcall, env ROLLCALL_DATA_DIRECTORY)',
    )
    .option('--database-url <URL>', 'the database (env DATABASE_URL)')
    .action(async ({ json, ...flags }) => {
      const options = loadOptions({ env: serverEnvironment(context), flags });
      const { applied } = await onDatabase(options, (url) => migrateAt(url, options));
      if (json === true) return context.output.json({ applied });
      for (const name of applied) await context.output.line(`${green('✓')} ${name}`);
      if (applied.length === 0) await context.output.line('Nothing to do: the schema is that of this release.');
    });
}

/** Runs `work` on the database of the options, starting the embedded one for as long as that takes. */
async function onDatabase<Result>(options: Options, work: (url: string) => Promise<Result>): Promise<Result> {
  if (options.databaseUrl !== undefined) return work(options.databaseUrl);
  const postgres = await startEmbeddedPostgres({ dataDirectory: options.dataDirectory, log: () => undefined });
  try {
    return await work(postgres.url);
  } finally {
    await postgres.stop();
  }
}

async function migrateAt(url: string, options: Options): Promise<{ applied: string[] }> {
  const database = connectDatabase({
    url,
    maxConnections: options.databaseConnections,
    applicationName: 'rollcall migrate',
    connectTimeoutMs: 10_000,
    statementTimeoutMs: 60_000,
  });
  try {
    return await migrate(database);
  } finally {
    await database.close(1_000);
  }
}
