import { cpus, totalmem } from 'node:os';
import { writeFile } from 'node:fs/promises';
import type { Sql } from '../../src/storage/database.js';
import type { People } from '../world/load.js';

/** One measured figure: a median, with what else was seen. `goal` says what it should be; `isReached` whether it is. */
export interface Figure {
  /** Which table it is in, and which row: the same in every run, whatever the world. */
  readonly scenario: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** In the same unit. */
  readonly p99?: number;
  /** Sent or written for it: of what the scenario says. */
  readonly bytes?: number;
  /** Of the process measured, user and system. */
  readonly cpuSeconds?: number;
  /** The most resident memory of the process measured. */
  readonly peakBytes?: number;
  readonly goal?: string;
  readonly isReached?: boolean;
}

/** What the figures were measured on. */
export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryGiB: number;
  readonly node: string;
  readonly postgres: string;
  readonly people: People;
  readonly atoms: number;
}

export async function describeMachine(sql: Sql, people: People, atoms: number): Promise<Machine> {
  const [row] = await sql<{ version: string }[]>`select current_setting('server_version') as version`;
  const processors = cpus();
  return {
    cores: processors.length,
    processor: processors[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    postgres: row?.version ?? 'unknown',
    people,
    atoms,
  };
}

/** The goals are for a large environment: in a small one what does not grow with it decides. */
const GOALS_FROM_IDENTITIES = 1_000_000;

/** The figures as a table, with the machine above it. */
export function formatReport(machine: Machine, figures: readonly Figure[]): string {
  const hasGoals = machine.people.count >= GOALS_FROM_IDENTITIES;
  const rows = figures.map(({ scenario, what, value, unit, goal = '', isReached }) => [
    scenario,
    what,
    formatValue(value),
    unit,
    hasGoals ? goal : '',
    !hasGoals || isReached === undefined ? '' : isReached ? 'yes' : 'NO',
  ]);
  const table = [['scenario', 'what', 'median', 'unit', 'goal', 'reached'], ...rows];
  const widths = [0, 1, 2, 3, 4, 5].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => (column === 2 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  const { cores, processor, memoryGiB, node, postgres, people, atoms } = machine;
  return [
    `${people.count.toLocaleString('en')} identities (${people.distribution}), ${atoms} atoms; ${cores} cores (${processor}), ${memoryGiB} GiB; Node ${node}, PostgreSQL ${postgres}`,
    '',
    lines[0],
    widths.map((width) => '-'.repeat(width)).join('  '),
    ...lines.slice(1),
  ].join('\n');
}

export async function writeReport(path: string, machine: Machine, figures: readonly Figure[]): Promise<void> {
  await writeFile(path, `${JSON.stringify({ measuredAt: new Date().toISOString(), machine, figures }, null, 2)}\n`);
}

function formatValue(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}
