import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue } from 'prom-client';

/** One metric as it is told between processes. */
export type MetricOfProcess = MetricObjectWithValues<MetricValue<string>>;

/** The same metrics with the name of their process as a label, so that those of several processes stay apart. */
export function ofProcess(process: string, metrics: readonly MetricOfProcess[]): MetricOfProcess[] {
  return metrics.map((metric) => ({
    ...metric,
    values: metric.values.map((value) => ({ ...value, labels: { ...value.labels, process } })),
  }));
}

/** The metrics of several processes as the text that Prometheus reads. */
export async function metricsPage(metrics: readonly MetricOfProcess[]): Promise<string> {
  // No two lines have the same labels, so there is nothing to add up; `sum` also keeps those that the library would leave out.
  const kept = metrics.map((metric) => ({ ...metric, aggregator: 'sum' }));
  return AggregatorRegistry.aggregate([kept]).metrics();
}
