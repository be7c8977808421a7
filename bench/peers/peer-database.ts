import { createHash, randomUUID } from 'node:crypto';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Database } from '../../src/storage/database.js';
import { connectTo, copyDatabase, onServer, urlOf } from '../world/databases.js';
import { QUESTIONS, type Question } from '../world/questions.js';
import type { World } from '../world/world.js';
import { POSTGRES_REMAINDER, withSplit } from './split-sql.js';

const NAME = 'bench_peers';
const MAX_CONNECTIONS = 4;
/** What an index is built in: as a database administrator would set it for the occasion. */
const BUILD_MEMORY = '1GB';

/** The traits of the identities as columns, and their types. */
export const COLUMNS: readonly (readonly [string, string])[] = [
  ['plan', 'text'],
  ['country', 'text'],
  ['age', 'integer'],
  ['email', 'text'],
  ['signed_up', 'date'],
  ['app_version', 'text'],
  ['device', 'text'],
  ['spend', 'double precision'],
  ['sessions', 'integer'],
  ['score', 'integer'],
  ['beta', 'boolean'],
  ['referrer', 'text'],
  ['churn_risk', 'double precision'],
];

/** The peers' tables on the world's own server: `identity` as it is, with a GIN index, and `person` with a column for each trait. */
export interface PeerDatabase {
  readonly database: Database;
  /** Another one each time the tables are made. */
  readonly mark: string;
  /** The rows of `person` as CSV. */
  copyPersons(to: Writable): Promise<void>;
  close(): Promise<void>;
}

/** Opens the peers' tables, made from the world's when they are not there. Cuts the other connections to the world then. */
export async function openPeerDatabase(world: World, say: (line: string) => void): Promise<PeerDatabase> {
  const fingerprint = createHash('sha256')
    .update(JSON.stringify(statements(world)))
    .digest('hex');
  const known = await tryMark(world, fingerprint);
  const mark = known ?? `${fingerprint} ${randomUUID()}`;
  if (known === undefined) {
    say('making the tables of the peers; later runs reuse them');
    await copyDatabase(world.url, NAME);
    await onServer(world.url, ({ sql }) =>
      sql.unsafe(`alter database ${NAME} set maintenance_work_mem = '${BUILD_MEMORY}'`),
    );
    const made = connect(world);
    try {
      for (const statement of statements(world)) await made.sql.unsafe(statement);
      await made.sql.unsafe(`create table mark as select '${mark}'::text as mark`);
    } finally {
      await made.close(1_000);
    }
  }
  const database = connect(world);
  return { database, mark, copyPersons: (to) => copyPersons(world, to), close: () => database.close(1_000) };
}

/** The condition of a question over the columns of `person`. */
export function typedCondition(question: Question): string {
  return withSplit(question.typed, question, POSTGRES_REMAINDER);
}

/** An index of each question's own holds its members and nothing else, all under one key, which makes it small: counting them reads only the index. */
function statements({ environment }: World): string[] {
  const columns = COLUMNS.map(([name, type]) => `(traits->>'${name}')::${type} as ${name}`);
  return [
    `create table person as select id, identifier, ${columns.join(', ')} from identity where environment_id = ${environment.id} and deleted_revision is null`,
    'create index identity_traits on identity using gin (traits jsonb_path_ops)',
    ...QUESTIONS.map(
      (question) =>
        `create index person_${question.key.replace('-', '_')} on person ((1)) where ${typedCondition(question)}`,
    ),
    'vacuum (analyze, freeze) person',
    'vacuum (analyze, freeze) identity',
    'checkpoint',
  ];
}

async function tryMark(world: World, fingerprint: string): Promise<string | undefined> {
  const [there] = await world.database.sql`select 1 from pg_database where datname = ${NAME}`;
  if (there === undefined) return undefined;
  const database = connect(world);
  try {
    const [row] = await database.sql<{ mark: string }[]>`select mark from mark`;
    return row?.mark.startsWith(fingerprint) === true ? row.mark : undefined;
  } catch {
    return undefined;
  } finally {
    await database.close(1_000);
  }
}

/** On a connection of its own: the driver may leave one paused at the end of a copy, when its reader was slower. */
async function copyPersons(world: World, to: Writable): Promise<void> {
  const copying = connect(world);
  try {
    await pipeline(await copying.sql`copy person to stdout (format csv)`.readable(), to);
  } finally {
    await copying.close(1_000);
  }
}

function connect({ url }: World): Database {
  return connectTo(urlOf(url, NAME), MAX_CONNECTIONS);
}
