import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SCENARIOS } from '../../bench/bench-options.js';
import { benchmarksMarkdown } from '../../bench/report/benchmarks-markdown.js';
import { drawnChart } from '../../bench/report/chart-data.js';
import { renderSvg } from '../../bench/report/chart-svg.js';
import { CHARTS } from '../../bench/report/charts.js';
import { readAllFigures, type WorldFigures } from '../../bench/report/figures-file.js';

/** `drain` needs Kafka, and is not run here. */
const MEASURED = SCENARIOS.filter((scenario) => scenario !== 'drain');
const MINUTES = 60_000;
const run = promisify(execFile);

let folder = '';
let worlds: readonly WorldFigures[] = [];

/** The program as `npm run bench` runs it, in a folder of its own, over a world as small as it may be. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollcall-bench-'));
  const compiled = join(folder, 'dist');
  const options = ['--outDir', compiled, '--tsBuildInfoFile', join(folder, '.tsbuildinfo'), '--noCheck'];
  await run(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '-p', 'bench/tsconfig.json', ...options]);
  await cp('src/storage/migrations', join(compiled, 'src/storage/migrations'), { recursive: true });
  for (const name of ['bench', 'scripts', 'src', 'node_modules', 'package.json', 'tsconfig.json'])
    await symlink(resolve(name), join(folder, name), 'junction');
  const main = join(compiled, 'bench/main.js');
  await run(
    process.execPath,
    [main, '--quick', '--identities', '5000', '--rounds', '1', '--only', MEASURED.join(',')],
    {
      cwd: folder,
    },
  );
  worlds = await readAllFigures(join(folder, '.rollcall-bench'));
}, 10 * MINUTES);

afterAll(async () => rm(folder, { recursive: true, force: true }));

describe('the benchmark, as a smoke', () => {
  test.each(MEASURED)('%s gives figures that are numbers', (scenario) => {
    const figures = worlds[0]?.runs[scenario]?.figures ?? [];
    expect(figures.length).toBeGreaterThan(0);
    expect(figures.filter(({ value }) => !Number.isFinite(value))).toEqual([]);
  });

  test('has every row that a chart shows', () => {
    for (const chart of CHARTS) {
      // Exponents against the identities need a second world.
      const drawn = drawnChart(chart.kind === 'exponents' ? { ...chart, byIdentities: [] } : chart, worlds);
      expect({ chart: chart.name, missing: 'missing' in drawn ? drawn.missing : [] }).toEqual({
        chart: chart.name,
        missing: [],
      });
      if (!('missing' in drawn)) expect(renderSvg(drawn)).not.toContain('NaN');
    }
  });

  test('is a report that names each scenario with its command', () => {
    const text = benchmarksMarkdown(worlds, SCENARIOS, []);
    for (const scenario of MEASURED.filter((name) => name !== 'simulate')) expect(text).toContain(`--only ${scenario}`);
    expect(text).toContain('--simulate');
  });
});
