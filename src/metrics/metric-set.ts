import { Counter, Gauge, Histogram, type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client';
import type { MetricDefinition } from './catalogue.ts';

/** Text format 0.0.4, and no other: prom-client renames counters for good once OpenMetrics was asked for. */
export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** A metric with all its series, as plain JSON: what a role sends to whoever gathers. */
export type Family = MetricObjectWithValues<MetricValue<string>>;

type Labels<Label extends string> = Readonly<Record<Label, string | number>>;

/**
 * The values of some metrics of the catalogue. Whoever measures sets them; a family is emptied before it is set anew, so that what is
 * gone leaves no series behind. Bound of its series: what it is given, a few for every partition, consumer and reader of the log.
 */
export class MetricSet {
  readonly #registry = new Registry();
  readonly #families = new Map<string, Gauge | Counter | Histogram>();

  /** Of a counter: the whole count, known from elsewhere. */
  set<Label extends string>(metric: MetricDefinition<Label>, labels: Labels<Label>, value: number): void {
    const family = this.#familyOf(metric);
    if (family instanceof Gauge) return family.set(labels, value);
    family.remove(labels);
    (family as Counter).inc(labels, value);
  }

  /** Of a counter. */
  add<Label extends string>(metric: MetricDefinition<Label>, labels: Labels<Label>, value: number): void {
    (this.#familyOf(metric) as Counter).inc(labels, value);
  }

  /** Of a histogram. */
  observe<Label extends string>(metric: MetricDefinition<Label>, labels: Labels<Label>, value: number): void {
    (this.#familyOf(metric) as Histogram).observe(labels, value);
  }

  /** Takes one series away, if it is there. */
  remove<Label extends string>(metric: MetricDefinition<Label>, labels: Labels<Label>): void {
    this.#families.get(metric.name)?.remove(labels);
  }

  /** Takes every series of the metrics away. */
  empty(metrics: readonly MetricDefinition[]): void {
    for (const { name } of metrics) {
      this.#families.get(name)?.reset();
      // A family without labels begins anew with one series of 0, which would be a value that nobody has measured.
      this.#families.get(name)?.remove({});
    }
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  async families(): Promise<Family[]> {
    return (await this.#registry.getMetricsAsJSON()) as Family[];
  }

  /** Made at its first value: what was never measured is not shown as 0. */
  #familyOf({ name, type, help, labels, buckets = [] }: MetricDefinition): Gauge | Counter | Histogram {
    let family = this.#families.get(name);
    if (family !== undefined) return family;
    const options = { name, help, labelNames: [...labels], registers: [this.#registry] };
    if (type === 'gauge') family = new Gauge(options);
    else if (type === 'counter') family = new Counter(options);
    else family = new Histogram({ ...options, buckets: [...buckets] });
    this.#families.set(name, family);
    return family;
  }
}
