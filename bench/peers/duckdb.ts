import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { FOLDER, nameOf, type World } from '../world/world.js';
import type { Peer } from './peer.js';
import { COLUMNS, type PeerDatabase } from './peer-database.js';
import { DUCKDB_REMAINDER, withSplit } from './split-sql.js';

/** DuckDB in this process, with as many threads as the machine has cores. */
export interface DuckDb {
  readonly peer: Peer;
  close(): void;
}

/** Opens the world's DuckDB file, filled from the peers' typed columns when it is not there or of others. */
export async function openDuckDb(world: World, peers: PeerDatabase, say: (line: string) => void): Promise<DuckDb> {
  const path = join(FOLDER, `${nameOf(world.people)}.duckdb`);
  const opened = await open(path);
  if (await isOf(opened.connection, peers.mark)) return opened;
  opened.close();
  say('filling DuckDB; later runs reuse it');
  await Promise.all([path, `${path}.wal`].map((old) => rm(old, { force: true })));
  const empty = await open(path);
  await fill(empty.connection, peers, resolve(`${path}.csv`));
  return empty;
}

async function open(path: string): Promise<DuckDb & { readonly connection: DuckDBConnection }> {
  const instance = await DuckDBInstance.create(path);
  const connection = await instance.connect();
  return {
    connection,
    peer: {
      name: 'DuckDB',
      counting: (question) => () =>
        count(connection, `person where ${withSplit(question.typed, question, DUCKDB_REMAINDER)}`),
    },
    close() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

async function isOf(connection: DuckDBConnection, mark: string): Promise<boolean> {
  try {
    return (await count(connection, `mark where mark = '${mark}'`)) === 1;
  } catch {
    return false;
  }
}

async function fill(connection: DuckDBConnection, peers: PeerDatabase, csv: string): Promise<void> {
  const columns = [['id', 'bigint'], ['identifier', 'text'], ...COLUMNS].map(([name, type]) => `'${name}': '${type}'`);
  try {
    await peers.copyPersons(createWriteStream(csv));
    await connection.run(
      `create table person as select * from read_csv('${csv}', header = false, auto_detect = false, delim = ',', quote = '"', escape = '"', columns = {${columns.join(', ')}})`,
    );
  } finally {
    await rm(csv, { force: true });
  }
  await connection.run(`create table mark as select '${peers.mark}' as mark`);
  await connection.run('checkpoint');
}

async function count(connection: DuckDBConnection, what: string): Promise<number> {
  const read = await connection.runAndReadAll(`select count(*) from ${what}`);
  return Number(read.value(0, 0));
}
