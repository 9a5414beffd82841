import { resolve } from 'node:path';
import type { EventTimeSpec, Pipeline, RollupSpec, StreamSpec, TransformSpec } from '../epoch/pipeline.ts';
import type { SqlParser } from '../expressions/sql-parser.ts';
import { present } from '../lib/assert.ts';
import type { Fields } from '../record/batch.ts';
import { type StreamPlan, streamPlan } from '../transforms/stream-plan.ts';
import type { Config } from './config.ts';
import { dataDirProblem } from './data-dir.ts';
import type { ConfigComponents, ReadCondition, Report, Section, SinkNeighbours, WrittenTopic } from './definitions.ts';
import type { ConfigDocument, Path } from './document.ts';
import { dotted, problemsOfIssues } from './issues.ts';
import { type ExpressionReader, readCondition } from './expressions.ts';
import { TOPIC_PREFIX, checkKafkaBroker, resolveKafkaBroker } from './kafka-broker.ts';
import { unknownField } from './measures.ts';
import { suggestion } from './nearest.ts';
import type { Problem } from './problem.ts';
import { checkPartialRows } from './partial-rows.ts';
import { checkObserve, resolveObserve } from './observe.ts';
import { checkRestart, resolveRestart } from './restart.ts';
import { resolveRollups } from './rollups.ts';
import { type ConfigFile, type StreamSection, schemasOf } from './schema.ts';
import { tablesOf } from './tables.ts';
import { resolveTransforms } from './transforms.ts';
import { checkPartitions } from './windows.ts';
import { checkAssignment } from './workers.ts';

export interface ResolveContext {
  /** The configuration's own path, or null. */
  readonly file: string | null;
  /** Relative paths begin here. */
  readonly folder: string;
  readonly document: Pick<ConfigDocument, 'valueAt' | 'keyAt'>;
  readonly components: ConfigComponents;
  /** What it has not read yet is asked of it, and the configuration has problems: resolve it again behind `read`. */
  readonly parser: SqlParser;
}

/** In place of a field: processing time. */
const READ_AT = 'read_at';

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
  const { document, components } = context;
  const { config: schema } = schemasOf(components);
  const parsed = schema.safeParse(raw);
  const problems = parsed.success ? [] : problemsOfIssues(parsed.error.issues, schema, raw, document);
  const said = new Set<string>();
  const report: Report = (path, part, { within, ...problem }) => {
    // Two sinks may object to the same key of a rollup.
    const what = `${dotted(path)} ${part} ${problem.message}`;
    if (said.has(what)) return;
    said.add(what);
    problems.push({ ...problem, position: part === 'key' ? document.keyAt(path) : document.valueAt(path, within) });
  };
  checkDataDir(asSection(raw)?.['data_dir'], context.folder, report);
  const sections = sectionsOf(raw);
  const reader = { parser: context.parser, report };
  const streams = resolveStreams(sections.streams, components, reader);
  const plans = new Map([...streams].map(([name, { plan }]) => [name, plan]));
  const rollups = resolveRollups({ ...sections, plans }, components, reader);
  // Left out, there are none; where the file is wrong, they may stand under another name.
  checkWiring(parsed.success ? { ...sections, rollups: sections.rollups ?? {} } : sections, components, report);
  const { name: pipeline, broker: written } = asSection(raw) ?? {};
  const broker = ofType('kafka', { broker: written })[0]?.[1];
  if (broker !== undefined) checkKafkaBroker(['broker'], broker, report);
  checkSources(sections, { pipeline, broker }, components, report);
  const { streams: allStreams, rollups: allRollups } = sections;
  const names = { streams: Object.keys(allStreams ?? {}), rollups: Object.keys(allRollups ?? {}) };
  const condition: ReadCondition = (path, stream, text) => {
    const plan = plans.get(stream);
    return plan === undefined ? undefined : readCondition(reader, path, text, plan);
  };
  const neighbours = { ...names, specs: rollups, hasOwnCluster: broker !== undefined, condition };
  checkSinks(sections.sinks, neighbours, components, report);
  if (parsed.success) checkAssignment(parsed.data, report);
  if (parsed.success) checkRestart(parsed.data.restart, report);
  if (parsed.success) checkObserve(parsed.data.observe, report);
  if (parsed.success) {
    checkPartitions(parsed.data, rollups, components, report);
    checkPartialRows({ ...parsed.data, rollups, tables: tablesOf(rollups, components) }, components, report);
  }
  if (!parsed.success || problems.length > 0) return { config: undefined, problems };
  return { config: assemble(parsed.data, streams, rollups, { ...context, condition }), problems };
}

/** Whether the schema has nothing to say of the value at a path. */
export function isRightAt(raw: unknown, path: Path, components: ConfigComponents): boolean {
  const { error } = schemasOf(components).config.safeParse(raw);
  return error?.issues.every((issue) => dotted(issue.path as Path) !== dotted(path)) ?? true;
}

function checkDataDir(written: unknown, folder: string, report: Report): void {
  const problem = typeof written === 'string' ? dataDirProblem(written, folder) : undefined;
  if (problem === undefined) return;
  report(['data_dir'], 'value', { code: 'CONFIG_VALUE', ...problem, message: `data_dir ${problem.message}` });
}

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

/** The sections are checked one by one, so that a mistake in one does not hide a mistake in another. */
function resolveStreams(
  section: Section | undefined,
  components: ConfigComponents,
  reader: ExpressionReader,
): Map<string, ResolvedStream> {
  const { report } = reader;
  const { stream: streamSection } = schemasOf(components);
  const fieldsSection = streamSection.pick({ codec: true, transforms: true }).loose();
  const streams = new Map<string, ResolvedStream>();
  for (const [name, raw] of Object.entries(section ?? {})) {
    const parsed = fieldsSection.safeParse(asSection(raw));
    if (!parsed.success) continue;
    const { codec, transforms } = parsed.data as Pick<StreamSpec, 'codec'> & { readonly transforms: TransformSpec[] };
    const definition = present(components.codecs[codec.type], `no codec ${codec.type}`);
    const { fields } = streamPlan({ codec }, components);
    const whole = streamSection.safeParse(raw);
    const field = whole.success
      ? eventTimeField(['streams', name], whole.data, definition.defaultEventTimeField, fields, report)
      : undefined;
    if (whole.success && whole.data.event_time.time_zone !== 'UTC' && definition.hasLocalTimes !== true) {
      const message = `times of ${codec.type} lines have a zone of their own`;
      const hint = 'leave time_zone out';
      report(['streams', name, 'event_time', 'time_zone'], 'value', { code: 'CONFIG_VALUE', message, hint });
    }
    const at = ['streams', name, 'transforms'];
    const resolved = resolveTransforms(at, { codec, transforms }, field, components, reader);
    if (resolved === undefined) continue;
    const spec = whole.success
      ? {
          partitions: whole.data.partitions,
          codec,
          ...(transforms.length === 0 ? {} : { transforms: resolved.transforms }),
          eventTime: eventTimeSpec(field ?? '', whole.data.event_time),
        }
      : undefined;
    streams.set(name, { spec, plan: resolved.plan });
  }
  return streams;
}

function eventTimeField(
  path: Path,
  section: StreamSection,
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

function eventTimeSpec(field: string, section: StreamSection['event_time']): EventTimeSpec {
  return {
    field,
    ...(section.time_zone === 'UTC' ? {} : { timeZone: section.time_zone }),
    outOfOrdernessMs: section.out_of_orderness,
    idleTimeoutMs: section.idle_timeout,
    maxFutureMs: section.max_future,
    agentLostTimeoutMs: section.agent_lost_timeout,
  };
}

/**
 * Every stream is fed by a source and read by a rollup, and both name streams that are there. Where a section is missing or
 * a name is wrong, that is the error: what follows from it is not another one.
 */
function checkWiring(
  { sources, streams, rollups, sinks }: Sections,
  components: ConfigComponents,
  report: Report,
): void {
  if (streams === undefined) return;
  const indexed = ofKinds(components.sinks, sinks).flatMap(
    ([, sink, { streamsOf }]) => streamsOf?.(sink, Object.keys(streams)) ?? [],
  );
  const fed = checkNames('sources', 'stream', sources, streams, {}, report);
  const read = checkNames('rollups', 'from', rollups, streams, rollups ?? {}, report);
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

/** The entries of a section whose kind is known, each with its definition. */
function ofKinds<Definition>(
  kinds: Readonly<Record<string, Definition>>,
  section: Section | undefined,
): (readonly [string, Section, Definition])[] {
  return Object.entries(kinds).flatMap(([type, definition]) =>
    ofType(type, section).map(([name, entry]) => [name, entry, definition] as const),
  );
}

function checkSources(
  { sources, sinks, ...neighbours }: Sections,
  { pipeline, broker }: { readonly pipeline: unknown; readonly broker: Section | undefined },
  components: ConfigComponents,
  report: Report,
): void {
  const given = broker?.['topic_prefix'];
  const topicPrefix = typeof given === 'string' ? given : TOPIC_PREFIX;
  const written = ofKinds(components.sinks, sinks).flatMap(([sink, section, { topicOf }]) => {
    const topic: WrittenTopic | undefined = topicOf?.(section, { sink, pipeline: String(pipeline), topicPrefix });
    return topic === undefined ? [] : [[sink, topic] as const];
  });
  const around = { ...neighbours, pipeline, broker, codecs: components.codecs, written };
  for (const { type, check } of Object.values(components.sources)) check?.(ofType(type, sources), around, report);
}

function checkSinks(
  sinks: Section | undefined,
  neighbours: SinkNeighbours,
  components: ConfigComponents,
  report: Report,
): void {
  for (const [name, section, { check }] of ofKinds(components.sinks, sinks))
    check?.(['sinks', name], section, neighbours, report);
}

/** What the entries of a section name of the streams, or of the tables that they may read; undefined when one of them is not known. */
function checkNames(
  section: 'sources' | 'rollups',
  key: 'stream' | 'from',
  entries: Section | undefined,
  streams: Section,
  tables: Section,
  report: Report,
): ReadonlySet<string> | undefined {
  const names = [...Object.keys(streams), ...Object.keys(tables)];
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
    const others = names.filter((one) => one !== name);
    const hint = suggestion(stream, others) ?? 'add it under streams';
    const what = key === 'from' ? 'stream or table' : 'stream';
    report([section, name, key], 'value', {
      code: 'CONFIG_UNKNOWN_STREAM',
      message: `there is no ${what} "${stream}"`,
      hint,
    });
  }
  return areKnown ? used : undefined;
}

function assemble(
  file: ConfigFile,
  streams: ReadonlyMap<string, ResolvedStream>,
  rollups: Readonly<Record<string, RollupSpec>>,
  { file: path, folder, components, condition }: ResolveContext & { readonly condition: ReadCondition },
): Config {
  const { checkpoint, snapshot_after: snapshotBytes, workers, assignment } = file.engine;
  const pipeline: Pipeline = {
    version: 1,
    name: file.name,
    streams: Object.fromEntries(
      [...streams].map(([name, { spec }]) => [name, present(spec, `stream ${name} is resolved`)]),
    ),
    rollups,
    tables: tablesOf(rollups, components),
    ...zoneDataOf(rollups),
  };
  const broker = brokerOf(file.broker, folder);
  return {
    file: path,
    name: file.name,
    dataDir: resolve(folder, file.data_dir),
    broker,
    agent: { id: file.agent.id ?? null },
    inputs: Object.entries(file.sources as Sectioned).map(([name, section]) => {
      const { resolve: resolveSource } = definitionOf(components.sources, section);
      return resolveSource(section, { name, sources: file.sources, broker, folder });
    }),
    pipeline,
    sinks: Object.fromEntries(
      Object.entries(file.sinks as Sectioned).map(([name, section]) => {
        const { resolve: resolveSink } = definitionOf(components.sinks, section);
        return [name, resolveSink(section, { name, pipeline, broker, engine: { assignment }, folder, condition })];
      }),
    ),
    engine: { workers, assignment },
    checkpoint: { intervalMs: checkpoint.interval, minPauseMs: checkpoint.min_pause, timeoutMs: checkpoint.timeout },
    snapshotBytes,
    restart: resolveRestart(file.restart),
    observe: resolveObserve(file.observe),
  };
}

function brokerOf(broker: ConfigFile['broker'], folder: string): Config['broker'] {
  if (broker.type === 'kafka') return resolveKafkaBroker(broker, folder);
  return { type: broker.type, topicPrefix: TOPIC_PREFIX, retainMs: broker.retain, diskBytesMax: broker.disk_max };
}

type Sectioned = Readonly<Record<string, Section>>;

/** Of a section that the schema lets through. */
function definitionOf<Definition>(kinds: Readonly<Record<string, Definition>>, { type }: Section): Definition {
  return present(kinds[String(type)], `the type ${String(type)} is known`);
}

function zoneDataOf(rollups: Pipeline['rollups']): Pick<Pipeline, 'timeZoneData'> {
  const hasZone = Object.values(rollups).some(({ window }) => window['timeZone'] !== undefined);
  return hasZone ? { timeZoneData: process.versions['tz'] ?? '' } : {};
}
