/**
 * Every component there is, by kind, in the order of the documentation. From these lists come the configuration's schema,
 * the reference pages, `tailrace list`, and the tests that run over all components of a kind.
 */
import type { AggregateDefinition } from './aggregates/aggregate.ts';
import { avg } from './aggregates/avg.ts';
import { count } from './aggregates/count.ts';
import { distinct } from './aggregates/distinct.ts';
import { max } from './aggregates/max.ts';
import { min } from './aggregates/min.ts';
import { stddev } from './aggregates/stddev.ts';
import { sum } from './aggregates/sum.ts';
import type { CodecDefinition } from './codecs/codec.ts';
import { combined } from './codecs/combined.ts';
import { common } from './codecs/common.ts';
import { json } from './codecs/json.ts';
import type { SourceDefinition } from './agent/source.ts';
import { fileSource } from './agent/sources/file.ts';
import { duckdbSink } from './config/duckdb-sink.ts';
import type { SinkDefinition } from './config/sink-definition.ts';
import { elasticsearchSink } from './config/elasticsearch-sink.ts';
import { eventsSink } from './config/events-sink.ts';
import { kafkaSource } from './config/kafka-source.ts';
import type { OperatorDefinition } from './operators/operator.ts';
import { session } from './operators/session-window.ts';
import { tumbling } from './operators/tumbling-window.ts';
import { drop } from './transforms/drop.ts';
import { keep } from './transforms/keep.ts';
import { rename } from './transforms/rename.ts';
import type { LineComponents } from './transforms/stream-plan.ts';
import type { TransformDefinition } from './transforms/transform.ts';

/** A definition handles its own options only; the lists are read by those who do not know them. */
type AnyCodec = CodecDefinition<any>;
type AnyTransform = TransformDefinition<any>;
type AnySource = SourceDefinition<any>;
type AnyOperator = OperatorDefinition<any>;

export const CODECS: readonly AnyCodec[] = [combined, common, json];
export const TRANSFORMS: readonly AnyTransform[] = [rename, keep, drop];
export const AGGREGATES: readonly AggregateDefinition[] = [count, sum, min, max, avg, stddev, distinct];
export const OPERATORS: readonly AnyOperator[] = [tumbling, session];
export const SOURCES: readonly AnySource[] = [fileSource, kafkaSource];
export const SINKS: readonly SinkDefinition[] = [duckdbSink, elasticsearchSink, eventsSink];

export const CODECS_BY_TYPE: Readonly<Record<string, AnyCodec>> = Object.fromEntries(
  CODECS.map((codec) => [codec.type, codec]),
);
/** What `streamPlan` makes the plan of a stream with. */
export const LINE_COMPONENTS: LineComponents = {
  codecs: CODECS_BY_TYPE,
  transforms: Object.fromEntries(TRANSFORMS.map((transform) => [transform.type, transform])),
};
export const AGGREGATES_BY_NAME: Readonly<Record<string, AggregateDefinition>> = Object.fromEntries(
  AGGREGATES.map((aggregate) => [aggregate.name, aggregate]),
);
export const OPERATORS_BY_TYPE: Readonly<Record<string, AnyOperator>> = Object.fromEntries(
  OPERATORS.map((operator) => [operator.type, operator]),
);
