import { Histogram, type MetricObjectWithValues, type MetricValueWithName, type Registry } from 'prom-client';

interface HistogramDetails {
  readonly name: string;
  readonly help: string;
  readonly buckets: number[];
  readonly registers: Registry[];
}

/** A line of a histogram as the registry writes it. */
interface Line {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly sharedLabels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A histogram that takes a value for many at once: the library's takes them one by one. */
export class WeightedHistogram extends Histogram {
  readonly #details: HistogramDetails;
  readonly #counts: Float64Array;
  #count = 0;
  #sum = 0;

  constructor(details: HistogramDetails) {
    super(details);
    this.#details = details;
    this.#counts = new Float64Array(details.buckets.length);
  }

  observeMany(value: number, count: number): void {
    const bucket = this.#details.buckets.findIndex((bound) => value <= bound);
    if (bucket >= 0) this.#counts[bucket] = (this.#counts[bucket] ?? 0) + count;
    this.#count += count;
    this.#sum += value * count;
  }

  override async get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    const { values } = await this.getForPromString();
    return { ...(await super.get()), values };
  }

  /** In place of the library's own method of this name, which its types leave out and its registry asks. */
  getForPromString(): Promise<{ name: string; help: string; type: string; values: Line[] }> {
    const { name, help, buckets } = this.#details;
    let reached = 0;
    const values = buckets.map((bound, index) => {
      reached += this.#counts[index] ?? 0;
      return lineOf(`${name}_bucket`, Math.round(reached), { le: bound });
    });
    const count = Math.round(this.#count);
    values.push(lineOf(`${name}_bucket`, count, { le: '+Inf' }));
    values.push(lineOf(`${name}_sum`, this.#sum), lineOf(`${name}_count`, count));
    return Promise.resolve({ name, help, type: 'histogram', values });
  }
}

function lineOf(metricName: string, value: number, labels: Line['labels'] = {}): Line {
  return { metricName, labels, sharedLabels: {}, value };
}
