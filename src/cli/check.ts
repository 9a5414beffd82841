import type { Command } from 'commander';
import { type Config, RESERVED_COLUMNS } from '../config/config.ts';
import { shownPath } from '../config/load.ts';
import { withoutSecrets } from '../config/secrets.ts';
import { workerNotes } from '../config/workers.ts';
import type { RollupSpec, StreamSpec } from '../epoch/pipeline.ts';
import type { MeasureSpec } from '../epoch/table.ts';
import { fieldTypeOf } from '../expressions/tree.ts';
import { escapeText } from '../lib/escape.ts';
import { present } from '../lib/assert.ts';
import { formatDuration } from '../lib/units.ts';
import { streamPlan } from '../transforms/stream-plan.ts';
import type { Components, Launch } from '../roles/definitions.ts';
import { sourcesOf } from '../roles/input-sources.ts';
import { loadNamedConfig } from './config-option.ts';
import { print, printJson } from './output.ts';
import { withExamples } from './examples.ts';

const EXAMPLES = `Examples:
  tailrace check                     check ./tailrace.yaml
  tailrace check web.yaml --json     the configuration as it is understood, every default filled in
`;

export function registerCheck(program: Command, { components }: Launch): void {
  const command = program
    .command('check')
    .description(
      'Checks a configuration and shows the streams and tables it makes. Exit code 3 when it cannot be used.',
    )
    .argument('[file]', 'the configuration')
    .option('-c, --config <file>', 'the same, as other commands have it')
    .option('--json', 'the normalised configuration, as one JSON object')
    .action(async (file: string | undefined, options: { config?: string; json?: boolean }) => {
      const config = await loadNamedConfig(file ?? options.config, components, 'whole');
      if (options.json === true) printJson(withoutSecrets(config));
      else print(describeConfig(config, components));
    });
  withExamples(command, EXAMPLES);
}

/** What a configuration makes: streams with their sources, tables with their columns. */
export function describeConfig(config: Config, components: Components): string {
  const streams = Object.entries(config.pipeline.streams).map(([name, stream]) => {
    const inputs = sourcesOf(config, components).filter(({ input }) => input.stream === name);
    const places = inputs.flatMap(({ input, definition }) => definition.places(input));
    const { field, timeZone, outOfOrdernessMs } = stream.eventTime;
    const zone = timeZone === undefined ? '' : `, by the clock of ${timeZone} where no zone is written`;
    return [
      `stream ${name}: ${stream.codec.type} lines of ${places.join(', ')}`,
      `  event time ${escapeText(field)}${zone}, up to ${formatDuration(outOfOrdernessMs)} out of order`,
      ...fieldsText(stream, components),
      ...documentsText(name, config, components),
      ...notesOf(inputs).map((note) => `  note: ${note}`),
    ].join('\n');
  });
  const tables = Object.entries(config.pipeline.rollups).map(([name, rollup]) =>
    describeTable(name, rollup, components, config.pipeline.tables[name]?.input),
  );
  const from = config.file === null ? '' : ` of ${shownPath(config.file)}`;
  return [
    `pipeline ${config.name}${from}, data in ${shownPath(config.dataDir)}`,
    ...brokerText(config, components),
    ...workersText(config),
    ...streams,
    ...tables,
  ].join('\n\n');
}

/** Each kind of source looks at its own entries together. */
function notesOf(inputs: ReturnType<typeof sourcesOf>): readonly string[] {
  const definitions = new Set(inputs.map(({ definition }) => definition));
  return [...definitions].flatMap(
    (one) => one.notes?.(inputs.filter(({ definition }) => definition === one).map(({ input }) => input)) ?? [],
  );
}

/** Without transforms they are the codec's. */
function fieldsText(stream: StreamSpec, components: Components): string[] {
  if (stream.transforms === undefined) return [];
  const plan = streamPlan(stream, components);
  const texts = Object.keys(plan.fields).map((field) => {
    const origin = plan.originOf(field);
    const isShown = origin === field || plan.written.some(({ name }) => name === field);
    return escapeText(isShown ? field : `${field} (${origin})`);
  });
  const width = Math.max(0, ...plan.written.map(({ name = 'filter' }) => name.length));
  const written = plan.written.map(({ name, type, text }) =>
    name === undefined ? `filter where ${text}` : `${name.padEnd(width)}  ${SQL_TYPES[type].padEnd(11)}  ${text}`,
  );
  return [
    `  fields ${texts.length === 0 ? 'none' : texts.join(', ')}`,
    ...written.map((line) => `    ${escapeText(line)}`),
  ];
}

/** Which of its lines sinks take, where that is not all of them. */
function documentsText(stream: string, { sinks }: Config, components: Components): string[] {
  return Object.entries(sinks).flatMap(([name, sink]) => {
    const condition = components.sinks[sink.type]?.conditionOf?.(sink, stream);
    return condition === undefined ? [] : [`  documents of ${name} where ${escapeText(condition)}`];
  });
}

/** The log of one machine lies in data_dir, which stands above. */
function brokerText({ broker, agent, inputs }: Config, { sources }: Components): string[] {
  if (broker.type === 'embedded') return [];
  const { brokers, topicPrefix, replicationFactor, minInSyncReplicas, isSingleBroker } = broker;
  const ways = [broker.tls === null ? [] : ['TLS'], broker.sasl === null ? [] : [broker.sasl.mechanism]].flat();
  const by = ways.length === 0 ? '' : ` by ${ways.join(' and ')}`;
  const copies = isSingleBroker
    ? 'one replica: what that disk loses is lost'
    : `${replicationFactor} replicas, an append waits for ${minInSyncReplicas}`;
  const lines = [`log on Kafka at ${brokers.join(', ')}${by}, topics ${topicPrefix}.*`, `  ${copies}`];
  if (brokers.length === 1 && replicationFactor > 1)
    lines.push(`  note: where ${brokers[0]} is the only broker, say single_broker: true, or the start is refused`);
  if (agent.id === null && inputs.some(({ type }) => sources[type]?.isOfHost === true))
    lines.push('  note: an agent needs agent.id here, or TAILRACE_AGENT_ID in its environment');
  return [lines.join('\n')];
}

/** One engine for one partition is nothing to speak of. */
function workersText(config: Config): string[] {
  const { workers, assignment } = config.engine;
  const notes = workerNotes(config).map((note) => `  note: ${note}`);
  if (workers === 1 && assignment === 'static') return [];
  const who = assignment === 'group' ? 'of this host, in a group with those of others' : 'with fixed partitions';
  return [[`${workers} engine worker${workers === 1 ? '' : 's'} ${who}`, ...notes].join('\n')];
}

/** `input`: the table that it reads, where it reads one. */
export function describeTable(name: string, rollup: RollupSpec, components: Components, input?: string): string {
  const { from, by, measures, derived = [], window, rowsMax, where } = rollup;
  const rows: (readonly [string, string, string])[] = [
    ...windowRows(name, rollup, components),
    ...by.map(({ column, type, field }) => [column, SQL_TYPES[type], `key ${escapeText(field)}`] as const),
    ...measures.map((measure) => [measure.name, measureType(measure, components), measureText(measure)] as const),
    ...derived.map(({ name: column, text, tree }) => {
      return [column, SQL_TYPES[fieldTypeOf(tree.type)], escapeText(text)] as const;
    }),
    [RESERVED_COLUMNS.filter((column) => OWN_COLUMNS.includes(column)).join(', '), '', ''],
  ];
  const widths = [0, 1].map((i) => Math.min(30, Math.max(...rows.slice(0, -1).map((row) => row[i]!.length))));
  const lines = rows.map((row) => `  ${row[0].padEnd(widths[0]!)}  ${row[1].padEnd(widths[1]!)}  ${row[2]}`.trimEnd());
  // Without keys there is one row.
  const cap = by.length === 0 ? '' : `, up to ${ROWS.format(rowsMax)} keys a window and partition`;
  const condition = where === undefined ? [] : [`  where ${escapeText(where.text)}`];
  return [
    `table ${name}: ${present(components.operators[window.type], `operator ${window.type} is known`).describe(window)} over ${input === undefined ? from : `the final rows of ${input}`}${cap}`,
    ...condition,
    ...lines,
  ].join('\n');
}

/** The columns that say when: those of a type on one line. */
function windowRows(name: string, rollup: RollupSpec, components: Components): (readonly [string, string, string])[] {
  const { window } = rollup;
  const operator = present(components.operators[window.type], `operator ${window.type} is known`);
  const columns = operator
    .tables(name, rollup, components.aggregates)[0]!
    .columns.filter(({ role }) => role === 'window');
  const byType = Object.groupBy(columns, ({ type }) => (type === 'time' ? 'TIMESTAMPTZ' : 'BIGINT'));
  return Object.entries(byType).map(([type, of]) => [of.map((column) => column.name).join(', '), type, '']);
}

const ROWS = new Intl.NumberFormat('en');

const OWN_COLUMNS = ['status', 'revision', 'lines', 'late_lines', 'overflow', 'is_other'];

const SQL_TYPES = {
  keyword: 'VARCHAR',
  ip: 'VARCHAR',
  long: 'BIGINT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  date: 'TIMESTAMPTZ',
} as const;

function measureType({ aggregate, fieldType }: MeasureSpec, { aggregates }: Components): string {
  const definition = present(aggregates[aggregate], `aggregate ${aggregate} is known`);
  if (definition.sketch !== undefined && fieldType !== undefined)
    return SQL_TYPES[definition.sketch.valueType(fieldType)];
  return present(definition.sqlType?.(fieldType), `${aggregate} has a type`);
}

function measureText({ aggregate, field, parameter, text }: MeasureSpec): string {
  if (text !== undefined) return escapeText(text);
  if (field === undefined) return aggregate;
  return `${aggregate}(${field}${parameter === undefined ? '' : `, ${parameter}`})`;
}
