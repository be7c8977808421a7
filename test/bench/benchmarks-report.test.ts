import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readBenchOptions } from '../../bench/bench-options.js';
import { rowsOf } from '../../bench/report/chart-data.js';
import { CHARTS } from '../../bench/report/charts.js';
import { keepRuns, pathOfFigures, readAllFigures, type WorldFigures } from '../../bench/report/figures-file.js';
import type { Figure } from '../../bench/report/figures.js';
import { costOf, exponentOf, growthByIdentities } from '../../bench/report/growth-exponents.js';
import { formatWorld } from '../../bench/report/terminal-table.js';
import { writeBenchmarks } from '../../bench/report/write-benchmarks.js';
import { runOf, worldOf } from './figures.js';

let folder = '';
let said: string[] = [];
const say = (line: string): void => void said.push(line);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollcall-report-'));
  said = [];
});
afterEach(async () => rm(folder, { recursive: true }));

async function keep(...worlds: WorldFigures[]): Promise<void> {
  for (const world of worlds) await keepRuns(pathOfFigures(folder, String(world.people.count)), world);
}

const figure: Figure = { scenario: 'count', what: 'Count', value: 0.5, unit: 'ms', p99: 1.5 };

describe('the figures of a world', () => {
  test('of scenarios that ran alone take the place of their own earlier ones, and of no others', async () => {
    await keep(worldOf(1_000, { count: runOf([figure]), apply: runOf([{ ...figure, scenario: 'apply 50' }]) }));
    const again = runOf([{ ...figure, value: 9 }], { commit: 'fff0000000', loadAverage: 3 });
    await keep(worldOf(1_000, { count: again }));
    const [world] = await readAllFigures(folder);
    expect(world?.runs['count']).toEqual(again);
    expect(world?.runs['apply']?.figures).toEqual([{ ...figure, scenario: 'apply 50' }]);
  });

  test('show on the terminal the columns that any of them has', () => {
    const table = formatWorld(worldOf(1_000, { count: runOf([figure, { ...figure, what: 'Sample', cpuSeconds: 2 }]) }));
    expect(table.split('\n').slice(2)).toEqual([
      'scenario  what    median   p99  unit  CPU s',
      '--------  ------  ------  ----  ----  -----',
      'count     Count    0.500  1.50  ms',
      'count     Sample   0.500  1.50  ms        2',
    ]);
  });
});

describe('the exponent of growth', () => {
  test('is the slope through the logarithms', () => {
    const points = [1, 10, 100].map((size) => ({ size, value: 3 * size ** 0.5 }));
    expect(exponentOf(points)).toBeCloseTo(0.5, 10);
    expect(exponentOf(points.slice(1, 2))).toBeUndefined();
  });

  test('takes a time as it is, a rate as the time for one item, and no ratio', () => {
    expect(costOf({ value: 4, unit: 'ms' })).toEqual({ value: 4, quantity: 'ms' });
    expect(costOf({ value: 4, unit: 'members/s' })).toEqual({ value: 0.25, quantity: 's for one of the members' });
    expect(costOf({ value: 4, unit: 'B/event' })).toEqual({ value: 4, quantity: 'B/event' });
    expect(costOf({ value: 4, unit: '×' })).toBeUndefined();
  });

  test('needs two worlds', () => {
    const small = worldOf(100, {
      build: runOf([{ scenario: 'build', what: 'text', value: 50, unit: 'identities/s' }]),
    });
    const large = worldOf(10_000, {
      build: runOf([{ scenario: 'build', what: 'text', value: 5, unit: 'identities/s' }]),
    });
    expect(growthByIdentities([small])).toEqual([]);
    expect(growthByIdentities([small, large])[0]).toMatchObject({ what: 'text', sizes: 2, from: 100, to: 10_000 });
    expect(growthByIdentities([small, large])[0]?.exponent).toBeCloseTo(0.5, 10);
  });
});

describe('BENCHMARKS.md', () => {
  test('has a column for each size, a verdict for each goal and the command that repeats it', async () => {
    const goal = { scenario: 'build', what: 'text of 11 values', unit: 'identities/s', goal: '≥ 2,000,000' };
    await keep(
      worldOf(1_000_000, {
        count: runOf([figure]),
        build: runOf([{ ...goal, value: 2_100_000, isReached: true }], { rounds: 3 }),
      }),
      worldOf(10_000_000, { build: runOf([{ ...goal, value: 1_900_000, isReached: false }], { rounds: 3 }) }),
    );
    await writeBenchmarks(folder, folder, say);
    const text = await readFile(join(folder, 'BENCHMARKS.md'), 'utf8');
    expect(text).toContain('|  | goal | 1 M | 10 M |');
    expect(text).toContain(
      '| build: text of 11 values | ≥ 2,000,000 | 2,100,000 identities/s ✓ reached | 1,900,000 identities/s **✗ NOT reached** |',
    );
    expect(text).toContain('npm run bench -- --identities 1000000,10000000 --only build --rounds 3');
    expect(text).toContain('| Count | ms | 0.500<br><sub>p99 1.50</sub> |');
    expect(text).toContain('| 1 M | count | 2026-01-02 03:04 | abc1234567 | 7 | 0.250 |');
    expect(text).toContain('roaring 2.7.0');
  });

  test('shows no smoke', async () => {
    await keep(worldOf(5_000, { count: runOf([figure], { isQuick: true }) }));
    expect(await writeBenchmarks(folder, folder, say)).toEqual([]);
    expect(said.join()).toContain('BENCHMARKS.md is left as it is');
  });

  test('says which rows a chart lacks, and leaves it out', async () => {
    await keep(worldOf(1_000_000, { count: runOf([figure]) }));
    await writeBenchmarks(folder, folder, say);
    expect(said).toContainEqual(
      expect.stringMatching(
        /^chart 'count' is left out: there is no figure for 'SQL over jsonb' of count all-3; .* and 3 more$/,
      ),
    );
    expect(await readFile(join(folder, 'BENCHMARKS.md'), 'utf8')).not.toContain('![');
  });

  test('shows every chart whose rows are there, as an image with its own background', async () => {
    const rows = CHARTS.flatMap((chart) => [
      ...rowsOf(chart),
      ...(chart.kind === 'exponents' ? chart.measured.map(({ row }) => row) : []),
    ]);
    const figures = (factor: number): Figure[] =>
      rows.map((row, index) => ({ ...row, value: (index + 1) * factor, unit: 'ms' }));
    await keep(...[1, 10].map((factor) => worldOf(1_000_000 * factor, { count: runOf(figures(factor)) })));
    await writeBenchmarks(folder, folder, say);
    const text = await readFile(join(folder, 'BENCHMARKS.md'), 'utf8');
    for (const { name, title } of CHARTS) {
      const svg = await readFile(join(folder, 'docs', 'benchmarks', `${name}.svg`), 'utf8');
      expect(text).toContain(`![${title}](docs/benchmarks/${name}.svg)`);
      expect(svg).toMatch(/<rect [^>]*fill="#ffffff"/);
      expect(svg).toContain(title);
      expect(svg).not.toMatch(/NaN|undefined|="[^"]*"[\w]/);
    }
    expect(said).toEqual([]);
  });
});

test('the command line knows what only writes the report, and what is measured unless it is asked for', () => {
  expect(readBenchOptions(['--report']).isReportOnly).toBe(true);
  expect([...readBenchOptions(['--simulate']).scenarios]).toEqual(['simulate']);
  expect(readBenchOptions([]).scenarios.has('simulate')).toBe(false);
  expect(() => readBenchOptions(['--only', 'nothing'])).toThrow(RangeError);
});
