// The reference of metrics, made of their catalogue.
import { METRICS, type MetricDefinition } from '../src/metrics/catalogue.ts';

const GENERATED = '<!-- Written by `make docs`. Do not edit. -->';

export function metricsPage(): string {
  const rows = Object.values<MetricDefinition>(METRICS).map(
    ({ name, type, unit, labels, help }) =>
      `| \`${name}\` | ${type} | ${unit} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
  );
  return [
    '# Metrics',
    '',
    GENERATED,
    '',
    'A run serves what its processes measure of themselves under `/metrics`, where `observe.listen` says and on the socket `run/run.sock` in its',
    '`data_dir`; each series has the label `process` there. `tailrace lag --listen 127.0.0.1:9308` serves what the log shows of all readers: the',
    'names with `lag`, `exporter`, `checkpoint_last`, `checkpoints`, `rollup` and `source`, and those of Kafka. Both in the text format 0.0.4. Names that begin with `kafka_` are those of',
    '[kafka_exporter](https://github.com/danielqsj/kafka_exporter), so that boards and alerts made for it work, on the embedded log as well.',
    '',
    '| metric | type | unit | labels | meaning |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
