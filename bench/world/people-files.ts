import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Person, population } from '../../src/cli/demo/population.js';
import { formatTrait, joinTraits } from '../../src/core/trait-text.js';

/** The same people in three files. */
export interface PeopleFiles {
  readonly csv: string;
  readonly ndjson: string;
  /** As `copy identity (environment_id, id, identifier, traits)` takes them. */
  readonly copy: string;
}

const SEED = 1_789;
const COLUMNS = ['plan', 'country', 'age', 'spend', 'sessions', 'app_version', 'device', 'email', 'signed_up', 'beta'];

/** What a column holds where somebody has no such trait; so everybody has all ten. */
const OTHERWISE: Person['traits'] = { spend: 0.5, sessions: 0n, device: 'none', email: 'none', beta: false };

/** Writes people with ten traits each. */
export async function writePeople(folder: string, rows: number): Promise<PeopleFiles> {
  const write = async (name: string, lines: Iterable<string>): Promise<string> => {
    const path = join(folder, name);
    await pipeline(Readable.from(blocksOf(lines)), createWriteStream(path));
    return path;
  };
  return {
    csv: await write(`people-${rows}.csv`, csvLines(rows)),
    ndjson: await write(`people-${rows}.ndjson`, ndjsonLines(rows)),
    copy: await write(`people-${rows}.copy`, copyLines(rows)),
  };
}

/** How many of the people have this value. */
export function countPeople(rows: number, column: string, value: string): number {
  let count = 0;
  for (const { traits } of people(rows)) if (traits[column] === value) count += 1;
  return count;
}

function* people(rows: number): Generator<Person> {
  for (const { identifier, traits } of population(SEED, rows)) {
    const all = COLUMNS.map((name) => [name, traits[name] ?? OTHERWISE[name] ?? 'none'] as const);
    yield { identifier, traits: Object.fromEntries(all) };
  }
}

function* csvLines(rows: number): Generator<string> {
  yield `identifier,${COLUMNS.join(',')}\n`;
  for (const { identifier, traits } of people(rows)) {
    const cells = COLUMNS.map((name) => cellOf(traits[name] ?? ''));
    yield `${identifier},${cells.join(',')}\n`;
  }
}

function cellOf(value: Person['traits'][string]): string {
  if (typeof value !== 'string') return formatTrait(value);
  return /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

function* ndjsonLines(rows: number): Generator<string> {
  for (const { identifier, traits } of people(rows))
    yield `{"identifier":${JSON.stringify(identifier)},"traits":${traitsText(traits)}}\n`;
}

function* copyLines(rows: number): Generator<string> {
  let id = 0;
  for (const { identifier, traits } of people(rows))
    yield `1\t${++id}\t${identifier}\t${traitsText(traits).replaceAll('\\', '\\\\')}\n`;
}

function traitsText(traits: Person['traits']): string {
  return joinTraits(new Map(Object.entries(traits).map(([key, value]) => [key, formatTrait(value)])));
}

function* blocksOf(lines: Iterable<string>): Generator<string> {
  let block = '';
  for (const line of lines) {
    block += line;
    if (block.length < 256 * 1024) continue;
    yield block;
    block = '';
  }
  yield block;
}
