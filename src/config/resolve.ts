import { resolve } from 'node:path';
import type { z } from 'zod';
import type { fileOptions } from '../agent/sources/file.ts';
import { absolutePatterns } from '../agent/sources/glob.ts';
import { CODECS_BY_TYPE, LINE_COMPONENTS } from '../components.ts';
import type { EventTimeSpec, Pipeline, RollupSpec, StreamSpec, TransformSpec } from '../epoch/pipeline.ts';
import { present } from '../lib/assert.ts';
import type { Fields } from '../record/batch.ts';
import { type StreamPlan, streamPlan } from '../transforms/stream-plan.ts';
import { type BrokerConfig, type Config, type InputConfig, type SinkConfig, isShared } from './config.ts';
import { dataDirProblem } from './data-dir.ts';
import type { ConfigDocument, Path } from './document.ts';
import { resolveDuckdbSink } from './duckdb-sink.ts';
import { checkEventsSink, resolveEventsSink } from './events-sink.ts';
import { checkElasticsearchSink, documentStreams, resolveElasticsearchSink } from './elasticsearch-sink.ts';
import { dotted, problemsOfIssues } from './issues.ts';
import { TOPIC_PREFIX, checkKafkaBroker, resolveKafkaBroker } from './kafka-broker.ts';
import { type KafkaSource, checkKafkaSources, resolveKafkaSource } from './kafka-source.ts';
import { earlierPatterns } from './kafka-topics.ts';
import { unknownField } from './measures.ts';
import { suggestion } from './nearest.ts';
import type { Problem } from './problem.ts';
import { checkDocumentKeys, resolveColumns } from './rollup-columns.ts';
import { type ConfigFile, configSchema, rollupSection, streamSection } from './schema.ts';
import { tablesOf } from './tables.ts';
import { originsOf, resolveTransforms } from './transforms.ts';
import { type WindowSection, checkPartitions, resolveWindow } from './windows.ts';
import { checkAssignment } from './workers.ts';

export interface ResolveContext {
  /** The configuration's own path, or null. */
  readonly file: string | null;
  /** Relative paths begin here. */
  readonly folder: string;
  readonly document: Pick<ConfigDocument, 'valueAt' | 'keyAt'>;
}

/** In place of a field: processing time. */
const READ_AT = 'read_at';

/** What is wrong with a place of the file, before its position is looked up. */
type Report = (path: Path, part: 'key' | 'value', problem: Omit<Problem, 'position'>) => void;

/** A stream that can be used, with the fields that are read of it. */
interface ResolvedStream {
  /** Undefined when something but its codec and transforms is wrong. */
  readonly spec: StreamSpec | undefined;
  readonly plan: StreamPlan;
}

/**
 * Checks the plain values of a file and fills in what they leave out. Sections that are right are checked against each other
 * even where another section is wrong, so that one run shows everything there is to mend.
 */
export function resolveConfig(
  raw: unknown,
  context: ResolveContext,
): { readonly config: Config | undefined; readonly problems: readonly Problem[] } {
  const { document } = context;
  const parsed = configSchema.safeParse(raw);
  const problems = parsed.success ? [] : problemsOfIssues(parsed.error.issues, configSchema, raw, document);
  const report: Report = (path, part, problem) => {
    problems.push({ ...problem, position: part === 'key' ? document.keyAt(path) : document.valueAt(path) });
  };
  checkDataDir(asSection(raw)?.['data_dir'], context.folder, report);
  const sections = sectionsOf(raw);
  const streams = resolveStreams(sections.streams, report);
  const rollups = resolveRollups(sections.rollups, streams, report);
  // Left out, there are none; where the file is wrong, they may stand under another name.
  checkWiring(parsed.success ? { ...sections, rollups: sections.rollups ?? {} } : sections, report);
  const [, broker] = ofType('kafka', { broker: asSection(raw)?.['broker'] })[0] ?? [];
  if (broker !== undefined) checkKafkaBroker(['broker'], broker, report);
  const pipeline = asSection(raw)?.['name'];
  const neighbours = { ...sections, pipeline, broker, eventsSinks: ofType('events', sections.sinks) };
  checkKafkaSources(ofType('kafka', sections.sources), neighbours, report);
  checkSinks(sections, broker !== undefined, report);
  checkDocumentKeys(rollups, indexedRollups(sections.sinks, Object.keys(rollups)), report);
  if (parsed.success) checkAssignment(parsed.data, report);
  if (parsed.success) checkPartitions(parsed.data, rollups, report);
  if (!parsed.success || problems.length > 0) return { config: undefined, problems };
  return { config: assemble(parsed.data, streams, rollups, context), problems };
}

/** Whether the schema has nothing to say of the value at a path. */
export function isRightAt(raw: unknown, path: Path): boolean {
  const { error } = configSchema.safeParse(raw);
  return error?.issues.every((issue) => dotted(issue.path as Path) !== dotted(path)) ?? true;
}

function checkDataDir(written: unknown, folder: string, report: Report): void {
  const problem = typeof written === 'string' ? dataDirProblem(written, folder) : undefined;
  if (problem === undefined) return;
  report(['data_dir'], 'value', { code: 'CONFIG_VALUE', ...problem, message: `data_dir ${problem.message}` });
}

type Section = Readonly<Record<string, unknown>>;

/** Undefined where the file has no map there. */
interface Sections {
  readonly sources: Section | undefined;
  readonly streams: Section | undefined;
  readonly rollups: Section | undefined;
  readonly sinks: Section | undefined;
}

function sectionsOf(raw: unknown): Sections {
  const { sources, streams, rollups, sinks } = asSection(raw) ?? {};
  return {
    sources: asSection(sources),
    streams: asSection(streams),
    rollups: asSection(rollups),
    sinks: asSection(sinks),
  };
}

function asSection(value: unknown): Section | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Section) : undefined;
}

/** What makes the fields of a stream. */
const fieldsSection = streamSection.pick({ codec: true, transforms: true }).loose();

/** The sections are checked one by one, so that a mistake in one does not hide a mistake in another. */
function resolveStreams(section: Section | undefined, report: Report): Map<string, ResolvedStream> {
  const streams = new Map<string, ResolvedStream>();
  for (const [name, raw] of Object.entries(section ?? {})) {
    const parsed = fieldsSection.safeParse(asSection(raw));
    if (!parsed.success) continue;
    const { codec, transforms } = parsed.data as Pick<StreamSpec, 'codec'> & { readonly transforms: TransformSpec[] };
    const definition = present(CODECS_BY_TYPE[codec.type], `no codec ${codec.type}`);
    const { fields } = streamPlan({ codec }, LINE_COMPONENTS);
    const whole = streamSection.safeParse(raw);
    const field = whole.success
      ? eventTimeField(['streams', name], whole.data, definition.defaultEventTimeField, fields, report)
      : undefined;
    if (whole.success && whole.data.event_time.time_zone !== 'UTC' && definition.hasLocalTimes !== true) {
      const message = `times of ${codec.type} lines have a zone of their own`;
      const hint = 'leave time_zone out';
      report(['streams', name, 'event_time', 'time_zone'], 'value', { code: 'CONFIG_VALUE', message, hint });
    }
    const plan = resolveTransforms(['streams', name, 'transforms'], { codec, transforms }, field, report);
    if (plan === undefined) continue;
    const spec = whole.success
      ? {
          partitions: whole.data.partitions,
          codec,
          ...(transforms.length === 0 ? {} : { transforms }),
          eventTime: eventTimeSpec(field ?? '', whole.data.event_time),
        }
      : undefined;
    streams.set(name, { spec, plan });
  }
  return streams;
}

function eventTimeField(
  path: Path,
  section: z.output<typeof streamSection>,
  fallback: string | undefined,
  fields: Fields,
  report: Report,
): string {
  const field = section.event_time.field ?? fallback;
  const hint = 'name a field of type date, or read_at';
  if (field === undefined) {
    const message = `${dotted(path)} names no event_time.field, and its lines have none by themselves`;
    report([...path, 'event_time'], 'key', { code: 'CONFIG_MISSING_KEY', message, hint });
    return '';
  }
  if (field === READ_AT) return field;
  const type = Object.hasOwn(fields, field) ? fields[field] : undefined;
  const at = [...path, 'event_time', 'field'];
  if (type === undefined) report(at, 'value', unknownField(field, { fields: { ...fields, [READ_AT]: 'date' } }));
  else if (type !== 'date') {
    report(at, 'value', { code: 'CONFIG_VALUE', message: `event time needs a date, and ${field} is a ${type}`, hint });
  }
  return field;
}

function eventTimeSpec(field: string, section: z.output<typeof streamSection>['event_time']): EventTimeSpec {
  return {
    field,
    ...(section.time_zone === 'UTC' ? {} : { timeZone: section.time_zone }),
    outOfOrdernessMs: section.out_of_orderness,
    idleTimeoutMs: section.idle_timeout,
    maxFutureMs: section.max_future,
    agentLostTimeoutMs: section.agent_lost_timeout,
  };
}

function resolveRollups(
  section: Section | undefined,
  streams: ReadonlyMap<string, ResolvedStream>,
  report: Report,
): Record<string, RollupSpec> {
  const rollups: Record<string, RollupSpec> = {};
  for (const [name, raw] of Object.entries(section ?? {})) {
    const path = ['rollups', name];
    const from = asSection(raw)?.['from'];
    const stream = typeof from === 'string' ? streams.get(from) : undefined;
    const columns = stream === undefined ? undefined : resolveColumns(path, asSection(raw) ?? {}, stream.plan, report);
    const parsed = rollupSection.safeParse(raw);
    if (!parsed.success || columns === undefined || stream === undefined) continue;
    const window = resolveWindow([...path, 'window'], parsed.data.window as WindowSection, report);
    if (window === undefined) continue;
    rollups[name] = {
      from: parsed.data.from,
      window,
      allowedLatenessMs: parsed.data.allowed_lateness,
      rowsMax: parsed.data.rows_max,
      ...columns,
      ...originsOf(columns, stream.plan),
    };
  }
  return rollups;
}

/**
 * Every stream is fed by a source and read by a rollup, and both name streams that are there. Where a section is missing or
 * a name is wrong, that is the error: what follows from it is not another one.
 */
function checkWiring({ sources, streams, rollups, sinks }: Sections, report: Report): void {
  if (streams === undefined) return;
  const indexed = ofType('elasticsearch', sinks).flatMap(([, sink]) => documentStreams(sink, Object.keys(streams)));
  const fed = checkNames('sources', 'stream', sources, streams, report);
  const read = checkNames('rollups', 'from', rollups, streams, report);
  for (const name of Object.keys(streams)) {
    const path = ['streams', name];
    if (fed !== undefined && !fed.has(name)) {
      const message = `no source feeds the stream ${name}`;
      report(path, 'key', { code: 'CONFIG_UNUSED', message, hint: `add a source with stream: ${name}` });
    } else if (read !== undefined && !read.has(name) && !indexed.includes(name)) {
      const message = `no rollup reads the stream ${name}`;
      report(path, 'key', { code: 'CONFIG_UNUSED', message, hint: `add a rollup with from: ${name}` });
    }
  }
}

/** The entries of a section that are of one type. */
function ofType(type: string, section: Section | undefined): (readonly [string, Section])[] {
  return Object.entries(section ?? {}).flatMap(([name, raw]) => {
    const entry = asSection(raw);
    return entry?.['type'] === type ? [[name, entry] as const] : [];
  });
}

function checkSinks({ streams, rollups, sinks }: Sections, hasOwnCluster: boolean, report: Report): void {
  const known = { streams: Object.keys(streams ?? {}), rollups: Object.keys(rollups ?? {}), hasOwnCluster };
  for (const [name, sink] of ofType('elasticsearch', sinks))
    checkElasticsearchSink(['sinks', name], sink, known, report);
  for (const [name, sink] of ofType('events', sinks)) checkEventsSink(['sinks', name], sink, known, report);
}

/** Rollups whose rows become documents. */
function indexedRollups(sinks: Section | undefined, rollups: readonly string[]): ReadonlySet<string> {
  return new Set(
    ofType('elasticsearch', sinks).flatMap(([, { rollups: named }]) =>
      Array.isArray(named) ? named.filter((name): name is string => typeof name === 'string') : rollups,
    ),
  );
}

/** The streams that the entries of a section name; undefined when one of them is not known. */
function checkNames(
  section: 'sources' | 'rollups',
  key: 'stream' | 'from',
  entries: Section | undefined,
  streams: Section,
  report: Report,
): ReadonlySet<string> | undefined {
  const names = Object.keys(streams);
  const used = new Set<string>();
  let areKnown = entries !== undefined;
  for (const [name, raw] of Object.entries(entries ?? {})) {
    const stream = asSection(raw)?.[key];
    if (typeof stream === 'string' && names.includes(stream)) {
      used.add(stream);
      continue;
    }
    areKnown = false;
    if (typeof stream !== 'string') continue;
    const hint = suggestion(stream, names) ?? 'add it under streams';
    report([section, name, key], 'value', {
      code: 'CONFIG_UNKNOWN_STREAM',
      message: `there is no stream "${stream}"`,
      hint,
    });
  }
  return areKnown ? used : undefined;
}

function assemble(
  file: ConfigFile,
  streams: ReadonlyMap<string, ResolvedStream>,
  rollups: Readonly<Record<string, RollupSpec>>,
  context: ResolveContext,
): Config {
  const { checkpoint, snapshot_after: snapshotBytes, workers, assignment } = file.engine;
  const pipeline: Pipeline = {
    version: 1,
    name: file.name,
    streams: Object.fromEntries(
      [...streams].map(([name, { spec }]) => [name, present(spec, `stream ${name} is resolved`)]),
    ),
    rollups,
    tables: tablesOf(rollups),
  };
  const broker = brokerOf(file.broker, context.folder);
  return {
    file: context.file,
    name: file.name,
    dataDir: resolve(context.folder, file.data_dir),
    broker,
    agent: { id: file.agent.id ?? null },
    inputs: Object.entries(file.sources).map(([name, source]) =>
      inputOf(name, source as AnySource, { sources: file.sources, broker, folder: context.folder }),
    ),
    pipeline,
    sinks: Object.fromEntries(
      Object.entries(file.sinks).map(([name, sink]) => [
        name,
        sinkOf(name, sink as Section, { pipeline, broker, engine: { assignment }, folder: context.folder }),
      ]),
    ),
    engine: { workers, assignment },
    checkpoint: { intervalMs: checkpoint.interval, minPauseMs: checkpoint.min_pause, timeoutMs: checkpoint.timeout },
    snapshotBytes,
  };
}

function brokerOf(broker: ConfigFile['broker'], folder: string): Config['broker'] {
  if (broker.type === 'kafka') return resolveKafkaBroker(broker, folder);
  return { type: broker.type, topicPrefix: TOPIC_PREFIX, retainMs: broker.retain, diskBytesMax: broker.disk_max };
}

function sinkOf(
  name: string,
  sink: Section,
  context: Pick<Config, 'pipeline' | 'broker'> & { readonly engine: Pick<Config['engine'], 'assignment'> } & {
    readonly folder: string;
  },
): SinkConfig {
  const { pipeline, broker, folder } = context;
  if (sink['type'] === 'duckdb') return resolveDuckdbSink(sink);
  const rollups = Object.keys(pipeline.rollups);
  if (sink['type'] === 'elasticsearch')
    return resolveElasticsearchSink(sink, { streams: Object.keys(pipeline.streams), rollups }, folder);
  const cluster = broker.type === 'kafka' ? broker : undefined;
  const of = { sink: name, pipeline: pipeline.name, topicPrefix: broker.topicPrefix, isShared: isShared(context) };
  return resolveEventsSink(sink, { ...of, cluster, rollups, folder });
}

type AnySource =
  | (z.output<typeof fileOptions> & { readonly type: 'file'; readonly stream: string })
  | ({ readonly type: 'kafka' } & KafkaSource);

function inputOf(
  name: string,
  source: AnySource,
  { sources, broker, folder }: { readonly sources: Section; readonly broker: BrokerConfig; readonly folder: string },
): InputConfig {
  if (source.type === 'kafka') {
    const own = broker.type === 'kafka' ? broker : undefined;
    return resolveKafkaSource(name, source, folder, own, earlierPatterns(sources, name, own?.brokers ?? []));
  }
  return {
    name,
    type: source.type,
    stream: source.stream,
    include: source.include.flatMap((pattern) => absolutePatterns(folder, pattern)),
    // A pattern without a slash is one of names, wherever the file lies.
    exclude: source.exclude.flatMap((pattern) =>
      pattern.includes('/') ? absolutePatterns(folder, pattern) : [pattern],
    ),
    lineBytesMax: source.line_bytes_max,
    copyGraceMs: source.copy_grace,
  };
}
