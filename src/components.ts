/**
 * Every component there is, by kind, in the order of the documentation. From this list come the configuration's schema, the reference pages,
 * `tailrace list`, and the tests that run over all components of a kind; `main` hands it to whoever needs it.
 */
import { avg } from './aggregates/avg.ts';
import { count } from './aggregates/count.ts';
import { distinct } from './aggregates/distinct.ts';
import { first } from './aggregates/first.ts';
import { last } from './aggregates/last.ts';
import { max } from './aggregates/max.ts';
import { min } from './aggregates/min.ts';
import { quantile } from './aggregates/quantile.ts';
import { stddev } from './aggregates/stddev.ts';
import { sum } from './aggregates/sum.ts';
import { top } from './aggregates/top.ts';
import { combined } from './codecs/combined.ts';
import { common } from './codecs/common.ts';
import { json } from './codecs/json.ts';
import { session } from './operators/session-window.ts';
import { sliding } from './operators/sliding-window.ts';
import { tumbling } from './operators/tumbling-window.ts';
import type { Components } from './roles/definitions.ts';
import { duckdbSink } from './roles/sinks/duckdb.ts';
import { elasticsearchSink } from './roles/sinks/elasticsearch.ts';
import { eventsSink } from './roles/sinks/events.ts';
import { fileSource } from './roles/sources/file.ts';
import { kafkaSource } from './roles/sources/kafka.ts';
import { derive } from './transforms/derive.ts';
import { drop } from './transforms/drop.ts';
import { filter } from './transforms/filter.ts';
import { keep } from './transforms/keep.ts';
import { rename } from './transforms/rename.ts';

export const COMPONENTS: Components = {
  sources: byType([fileSource, kafkaSource]),
  codecs: byType([combined, common, json]),
  transforms: byType([rename, keep, drop, filter, derive]),
  operators: byType([tumbling, sliding, session]),
  aggregates: Object.fromEntries(
    [count, sum, min, max, avg, stddev, distinct, quantile, first, last, top].map((aggregate) => [
      aggregate.name,
      aggregate,
    ]),
  ),
  sinks: byType([duckdbSink, elasticsearchSink, eventsSink]),
};

function byType<Definition extends { readonly type: string }>(
  list: readonly Definition[],
): Readonly<Record<string, Definition>> {
  return Object.fromEntries(list.map((definition) => [definition.type, definition]));
}
