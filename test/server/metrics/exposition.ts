/** What one metric says: its type, its help and its lines. */
export interface ExposedMetric {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;

/** Reads Prometheus's text format. Throws at a line that is none, and at a sample whose metric has no help or type before it. */
export function readExposition(text: string): ReadonlyMap<string, ExposedMetric> {
  const metrics = new Map<string, { type: string; help: string; samples: Sample[] }>();
  const helps = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === 'HELP') helps.set(name, rest);
    else if (keyword === 'TYPE') {
      if (metrics.has(name)) throw new Error(`${name} stands there twice`);
      metrics.set(name, { type: rest, help: helps.get(name) ?? '', samples: [] });
    } else if (line !== '') {
      const sample = readSample(line);
      const metric = metrics.get(sample.name) ?? metrics.get(sample.name.replace(/_(bucket|sum|count)$/, ''));
      if (metric === undefined) throw new Error(`no metric has the line ${line}`);
      metric.samples.push(sample);
    }
  }
  return metrics;
}

/** The value of the one sample of this name that has these labels, perhaps among others; undefined where there is none. */
export function valueOf(
  metrics: ReadonlyMap<string, ExposedMetric>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const metric = metrics.get(name) ?? metrics.get(name.replace(/_(bucket|sum|count)$/, ''));
  return metric?.samples.find(
    (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  )?.value;
}

function readSample(line: string): Sample {
  const [, name, labelText = '', value] = SAMPLE.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Error(`this is no sample: ${line}`);
  const labels = Object.fromEntries(
    [...labelText.matchAll(/([a-z_A-Z]+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text = '']) => [key, text]),
  );
  return { name, labels, value: Number(value.replace('Nan', 'NaN')) };
}
