import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { connectDatabase } from '../../src/storage/database.js';
import { startChaosBroker } from './chaos-broker.js';
import { startChaosPostgres } from './chaos-postgres.js';
import { type CompiledService, compileService } from './compiled-service.js';
import { MUTANTS } from './mutants.js';
import { runChaos, type RunOptions } from './run.js';
import { MUTANT_SEEDS, problemsOf } from './run-mutant.js';
import { FAULTS, type Fault } from './schedule.js';
import type { ChaosBroker } from './world.js';

const USAGE =
  'usage: npm run chaos -- [--minutes 10] [--seed N] [--rate MESSAGES_A_SECOND] [--only FAULT]…\n       npm run chaos -- --mutants';

/** Characters of what was found of a mutant. */
const SHOWN = 400;

interface Arguments {
  readonly minutes: number;
  readonly seed: number;
  readonly rate: number;
  readonly faults: readonly Fault[];
  readonly isOfMutants: boolean;
}

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      rate: { type: 'string', default: '300' },
      mutants: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
    },
  });
  const read = (text: string): number => {
    const number = Number(text);
    if (text.trim() === '' || !(number > 0)) throw new Error(`'${text}' is not a number above 0`);
    return number;
  };
  const faults = FAULTS.filter((fault) => values.only.length === 0 || values.only.includes(fault));
  if (faults.length < values.only.length) throw new Error(`faults are: ${FAULTS.join('; ')}`);
  return {
    minutes: read(values.minutes),
    seed: read(values.seed),
    rate: read(values.rate),
    faults,
    isOfMutants: values.mutants,
  };
}

/** Runs everything on servers of its own; true where no problem was found. */
async function main({ minutes, isOfMutants, ...options }: Arguments): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), `rollcall-chaos-${options.seed}-`));
  const service = await compileService();
  const broker = await startChaosBroker(say);
  const database = await startChaosPostgres(folder);
  const stopping = new AbortController();
  process.once('SIGINT', () => stopping.abort());
  try {
    const { signal } = stopping;
    const run = { ...options, folder, broker, database, main: service.main, say, signal, durationMs: minutes * 60_000 };
    const isRight = isOfMutants ? await tryMutants(service, broker, database.url) : await tryService(run);
    await database.stop();
    if (isRight) await rm(folder, { recursive: true, force: true });
    return isRight;
  } finally {
    await Promise.allSettled([service.remove(), broker.stop(), database.stop()]);
  }
}

async function tryService(options: RunOptions): Promise<boolean> {
  const { seed, folder } = options;
  const { problems, messages, steps } = await runChaos(options);
  for (const problem of problems) say(problem);
  if (problems.length === 0) say(`seed ${seed}: ${steps} faults, ${messages} messages, each applied exactly once`);
  else say(`seed ${seed}: FAILED; logs, topic and database are in ${folder}`);
  return problems.length === 0;
}

async function tryMutants(service: CompiledService, broker: ChaosBroker, serverUrl: string): Promise<boolean> {
  let isRight = true;
  for (const [number, mutant] of MUTANTS.entries()) {
    let problems = '';
    for (const seed of MUTANT_SEEDS) {
      const databaseUrl = await createDatabase(serverUrl, `mutant_${number}_${seed}`);
      problems = await problemsOf(mutant, { service, broker, databaseUrl, seed });
      if (mutant.symptom.test(problems)) break;
    }
    const isNoticed = mutant.symptom.test(problems);
    say(`${isNoticed ? 'noticed' : 'NOT NOTICED'}: ${mutant.name}\n${problems.slice(0, SHOWN)}`);
    isRight &&= isNoticed;
  }
  return isRight;
}

async function createDatabase(serverUrl: string, name: string): Promise<string> {
  const server = connectDatabase({
    url: serverUrl,
    maxConnections: 2,
    applicationName: 'chaos',
    connectTimeoutMs: 10_000,
    statementTimeoutMs: 30_000,
  });
  await server.sql.unsafe(`create database ${name}`);
  await server.close(1_000);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

function say(line: string): void {
  console.log(line);
}

function parse(): Arguments {
  try {
    return readArguments();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    process.exit(2);
  }
}

process.exitCode = (await main(parse())) ? 0 : 1;
