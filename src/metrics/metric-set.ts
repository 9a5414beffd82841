import { Counter, Gauge, Registry } from 'prom-client';
import type { MetricDefinition } from './catalogue.ts';

/** Text format 0.0.4, and no other: prom-client renames counters for good once OpenMetrics was asked for. */
export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/**
 * The values of some metrics of the catalogue. Whoever measures sets them; a family is emptied before it is set anew, so that what is
 * gone leaves no series behind. Bound of its series: what it is given, a few for every partition and reader of the log.
 */
export class MetricSet {
  readonly #registry = new Registry();
  readonly #families = new Map<string, Gauge | Counter>();

  constructor(definitions: readonly MetricDefinition[]) {
    for (const { name, type, help, labels } of definitions) {
      const options = { name, help, labelNames: [...labels], registers: [this.#registry] };
      this.#families.set(name, type === 'gauge' ? new Gauge(options) : new Counter(options));
    }
  }

  /** Of a counter: the whole count, known from elsewhere. */
  set<Label extends string>(
    metric: MetricDefinition<Label>,
    labels: Readonly<Record<Label, string | number>>,
    value: number,
  ): void {
    const family = this.#families.get(metric.name)!;
    if (family instanceof Gauge) return family.set(labels, value);
    family.remove(labels);
    family.inc(labels, value);
  }

  /** Takes every series of the metrics away. */
  empty(metrics: readonly MetricDefinition[]): void {
    for (const { name } of metrics) {
      const family = this.#families.get(name)!;
      family.reset();
      // A family without labels begins anew with one series of 0, which would be a value that nobody has measured.
      family.remove({});
    }
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
