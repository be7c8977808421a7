import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SCENARIOS } from '../bench-options.js';
import { benchmarksMarkdown, type ChartFile } from './benchmarks-markdown.js';
import { drawnChart } from './chart-data.js';
import { renderSvg } from './chart-svg.js';
import { CHARTS } from './charts.js';
import { readAllFigures, withoutSmokes, type WorldFigures } from './figures-file.js';

const MISSING_SHOWN = 3;
const CHART_FOLDER = 'docs/benchmarks';

/** Writes BENCHMARKS.md and its charts into a folder, from the figures kept in another; the paths. Charts whose rows are missing are left out, and `say` says so. */
export async function writeBenchmarks(kept: string, into: string, say: (line: string) => void): Promise<string[]> {
  const worlds = withoutSmokes(await readAllFigures(kept));
  if (worlds.length === 0) {
    say(`there are no figures in ${kept} that are not those of a smoke: BENCHMARKS.md is left as it is`);
    return [];
  }
  const charts = await writeCharts(worlds, into, say);
  const path = join(into, 'BENCHMARKS.md');
  await writeFile(path, benchmarksMarkdown(worlds, SCENARIOS, charts));
  return [path, ...charts.map((chart) => join(into, chart.path))];
}

async function writeCharts(
  worlds: readonly WorldFigures[],
  into: string,
  say: (line: string) => void,
): Promise<ChartFile[]> {
  await mkdir(join(into, CHART_FOLDER), { recursive: true });
  const files: ChartFile[] = [];
  for (const chart of CHARTS) {
    const drawn = drawnChart(chart, worlds);
    if ('missing' in drawn) {
      say(`chart '${chart.name}' is left out: there is no figure for ${listed(drawn.missing)}`);
      continue;
    }
    const path = `${CHART_FOLDER}/${chart.name}.svg`;
    await writeFile(join(into, path), renderSvg(drawn));
    files.push({ path, title: chart.title });
  }
  return files;
}

function listed(missing: readonly string[]): string {
  const rest = missing.length - MISSING_SHOWN;
  return missing.slice(0, MISSING_SHOWN).join('; ') + (rest > 0 ? ` and ${rest} more` : '');
}
