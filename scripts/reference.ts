// The reference of the configuration, made of the components' own definitions.
import { stringify } from 'yaml';
import { z } from 'zod';
import { COMPONENTS } from '../src/components.ts';
import { RESERVED_COLUMNS } from '../src/config/config.ts';
import { schemasOf } from '../src/config/schema.ts';
import { expressionsPage } from './expressions-page.ts';
import { metricsPage } from './metrics-page.ts';

/** The few parts of JSON Schema that zod writes for this configuration. */
interface Schema {
  readonly type?: string;
  readonly const?: string | number;
  readonly enum?: readonly (string | number)[];
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
}

export interface Page {
  readonly path: string;
  readonly render: () => string;
}

const GENERATED = '<!-- Written by `make docs`. Do not edit. -->';

export const REFERENCE_PAGES: readonly Page[] = [
  { path: 'docs/reference/config.schema.json', render: jsonSchema },
  { path: 'docs/reference/config.md', render: configPage },
  { path: 'docs/reference/sources.md', render: sourcesPage },
  { path: 'docs/reference/codecs.md', render: codecsPage },
  { path: 'docs/reference/transforms.md', render: transformsPage },
  { path: 'docs/reference/expressions.md', render: expressionsPage },
  { path: 'docs/reference/aggregates.md', render: aggregatesPage },
  { path: 'docs/reference/sinks.md', render: sinksPage },
  { path: 'docs/reference/metrics.md', render: metricsPage },
];

function schemaOf(type: z.ZodType): Schema {
  return z.toJSONSchema(type, { io: 'input' }) as Schema;
}

function jsonSchema(): string {
  const schema = { title: 'Tailrace configuration, version 1', ...schemaOf(schemasOf(COMPONENTS).config) };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

const INTRODUCTION = `One YAML file says what is read, how its lines are written, what is kept of them, and where. Editors complete it from
[config.schema.json](config.schema.json): write \`# yaml-language-server: $schema=docs/reference/config.schema.json\` at its top.
\`tailrace check\` says what is wrong with a file, each thing with its line and the nearest right name.

\`\`\`yaml
version: 1
name: web
data_dir: ./tailrace-data
sources:
  web: { type: file, include: [/var/log/nginx/access.log*], exclude: ['*.gz'], stream: access }
streams:
  access:
    codec: { type: combined }
    event_time: { out_of_orderness: 60s }
rollups:
  traffic:
    from: access
    by: [url.path, http.response.status_code]
    window: { type: tumbling, size: 1m }
    measures: { requests: count, bytes: sum(http.response.body.bytes), largest: max(http.response.body.bytes) }
sinks:
  warehouse: { type: duckdb }
engine: { checkpoint: { interval: 1s } }
\`\`\`

- **Durations** are whole numbers with \`ms\`, \`s\`, \`m\`, \`h\` or \`d\` (\`30m\`), **sizes** with \`B\`, \`KiB\`, \`MiB\`, \`GiB\` or \`TiB\` (\`1MiB\`).
- **Paths** begin at the folder of the file, wherever the command is run.
- **Environment**: \`TAILRACE_\` and the path of a setting in capitals, every other character an underscore:
  \`TAILRACE_ENGINE_CHECKPOINT_INTERVAL=250ms\`, \`TAILRACE_SOURCES_WEB_INCLUDE_0=/srv/access.log\`. Any scalar that stands in the file can
  be set so, and \`name\`, \`data_dir\`, \`broker.*\` \`engine.checkpoint.*\` and
  \`engine.snapshot_after\` also when the file leaves them out.
- **Secrets**: \`\${env:NAME}\` and \`\${file:path}\` in any text are replaced when the file is read; in a list or map of one line they stand in quotes, \`["\${env:NAME}"]\`; a secret's file must be its owner's alone
  (mode 0600). \`$\${\` is a plain \`\${\`.
- **Names** of sources, streams and sinks: a lower-case letter, then letters, digits, \`_\` and \`-\`. Names of rollups and measures are
  names of SQL: no \`-\`.
`;

const COLUMNS = `Every rollup is a view of its name. Its columns are \`window_start\`, \`window_end\`, the keys (what SQL would need quotes for
becomes an underscore: \`url.path\` is \`url_path\`; or the name they are given: \`{ field: status, as: http_status }\`), the measures, and \`status\` (\`open\`, \`final\`, \`revised\`), \`revision\`, \`lines\`,
\`late_lines\`, \`overflow\`, \`is_other\` (the row of all keys over \`rows_max\`; its own are NULL). Names that are taken: ${RESERVED_COLUMNS.map((name) => `\`${name}\``).join(', ')}.
`;

function configPage(): string {
  const schema = schemaOf(schemasOf(COMPONENTS).config);
  const { sources: _sources, ...rest } = schema.properties ?? {};
  return [
    '# Configuration',
    '',
    GENERATED,
    '',
    INTRODUCTION,
    '## The file',
    '',
    settingsTable({ ...schema, properties: schema.properties ?? {} }),
    '',
    ...section('broker', rest['broker']),
    ...section('streams.*', mapValues(rest['streams'])),
    ...section('streams.*.event_time', mapValues(rest['streams'])?.properties?.['event_time']),
    ...section('rollups.*', mapValues(rest['rollups'])),
    COLUMNS,
    ...section('rollups.*.window', mapValues(rest['rollups'])?.properties?.['window']),
    ...section('engine', rest['engine']),
    ...section('engine.checkpoint', rest['engine']?.properties?.['checkpoint']),
    'The kinds of [sources](sources.md), [codecs](codecs.md), [transforms](transforms.md), [aggregates](aggregates.md) and [sinks](sinks.md) have pages of their own, and so have [expressions](expressions.md).',
    '',
  ].join('\n');
}

function mapValues(schema: Schema | undefined): Schema | undefined {
  return typeof schema?.additionalProperties === 'object' ? schema.additionalProperties : undefined;
}

function section(name: string, schema: Schema | undefined): string[] {
  if (schema === undefined) throw new Error(`the schema has no ${name}`);
  const variants = schema.oneOf ?? [schema];
  return variants.flatMap((variant) => {
    const type = variant.properties?.['type'];
    const title = type?.const === undefined ? `\`${name}\`` : `\`${name}\` of type \`${type.const}\``;
    const note = type?.description === undefined ? [] : [type.description, ''];
    return [`## ${title}`, '', ...note, settingsTable(variant), ''];
  });
}

/** One row a key. `type` is said by the title. */
function settingsTable({ properties = {}, required = [] }: Schema): string {
  const rows = Object.entries(properties).filter(
    ([, schema]) => schema.const === undefined || typeof schema.const === 'number',
  );
  if (rows.length === 0) return 'No settings.';
  const lines = rows.map(([key, schema]) => {
    const fallback = required.includes(key) ? 'required' : defaultOf(schema);
    return `| \`${key}\` | ${kindOf(schema)} | ${fallback} | ${(schema.description ?? '').replaceAll('|', '\\|')} |`;
  });
  return ['| key | kind | default | what it is |', '| --- | --- | --- | --- |', ...lines].join('\n');
}

function defaultOf({ default: value }: Schema): string {
  if (value === undefined) return '';
  if (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
    return Array.isArray(value) ? '`[]`' : '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function kindOf(schema: Schema): string {
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (schema.oneOf !== undefined) return 'section';
  if (schema.type === 'array') return 'list';
  if (schema.type === 'object') return schema.properties === undefined ? 'map' : 'section';
  if (schema.type === 'string') return quantityOf(schema) ?? 'text';
  return schema.type ?? '';
}

/** Durations and sizes are texts of a pattern. */
function quantityOf(schema: Schema & { readonly pattern?: string }): string | undefined {
  if (schema.pattern?.includes('(ms|s|m|h|d)') === true) return 'duration';
  return schema.pattern?.includes('KiB') === true ? 'size' : undefined;
}

function yamlBlock(value: unknown): string[] {
  return ['```yaml', stringify(value, { lineWidth: 0 }).trimEnd(), '```', ''];
}

function page(title: string, introduction: string, parts: readonly string[]): string {
  return [`# ${title}`, '', GENERATED, '', introduction, '', ...parts].join('\n').replace(/\n+$/, '\n');
}

/** How the part of a component begins: its name, what it is, its options. */
function beginOf({ type, summary, options }: { type: string; summary: string; options: z.ZodType }): string[] {
  return [`## \`${type}\``, '', summary, '', settingsTable(schemaOf(options)), ''];
}

function sourcesPage(): string {
  const parts = Object.values(COMPONENTS.sources).flatMap(({ type, summary, options, examples }) => [
    ...beginOf({ type, summary, options }),
    ...examples.flatMap((example) => [
      `${example.title}:`,
      '',
      ...yamlBlock({ sources: { name: { type, ...(example.options as object), stream: 'access' } } }),
    ]),
  ]);
  return page('Sources', 'What is read. Every source also names its `stream`.', parts);
}

function codecsPage(): string {
  const parts = Object.values(COMPONENTS.codecs).flatMap((codec) => {
    const { type, summary, options, defaultEventTimeField, examples } = codec;
    const [first] = examples;
    const own = first === undefined ? {} : codec.fields(first.options);
    const isDeclared = Object.keys(schemaOf(options).properties ?? {}).includes('fields');
    return [
      ...beginOf({ type, summary, options }),
      ...(defaultEventTimeField === undefined
        ? []
        : [`Event time is \`${defaultEventTimeField}\` when the stream names no other field.`, '']),
      ...(isDeclared
        ? []
        : [
            '| field | type |',
            '| --- | --- |',
            ...Object.entries(own).map(([field, kind]) => `| \`${field}\` | ${kind} |`),
            '',
          ]),
      ...examples.flatMap((example) => [
        `Example, ${example.title}:`,
        '',
        ...(Object.keys(example.options as object).length === 0
          ? []
          : yamlBlock({ codec: { type, ...(example.options as object) } })),
        '```text',
        example.line,
        '```',
        '',
        '```json',
        JSON.stringify(example.record, null, 2),
        '```',
        '',
      ]),
    ];
  });
  return page('Codecs', 'How the lines of a stream are written. Dates are milliseconds since 1970 here.', parts);
}

const TRANSFORMS_INTRODUCTION = `Transforms change the fields of a stream's lines after the codec and before tables and documents read them. A stream lists its
\`transforms\` in order; each sees the fields that the one before it leaves, and \`tailrace check\` shows those behind the last. \`event_time.field\`
is a field of the codec, and no transform takes it away. A change of what a table reads is refused, as any other change of it; documents
get new indices.`;

function transformsPage(): string {
  const parts = Object.values(COMPONENTS.transforms).flatMap(({ type, summary, options, examples }) => [
    ...beginOf({ type, summary, options }),
    ...examples.flatMap((example) => [
      `Example, ${example.title}:`,
      '',
      ...yamlBlock({ transforms: [{ type, ...(example.options as object) }] }),
      '```text',
      JSON.stringify(example.before),
      JSON.stringify(example.after),
      '```',
      '',
    ]),
  ]);
  return page('Transforms', TRANSFORMS_INTRODUCTION, parts);
}

function aggregatesPage(): string {
  const forms = {
    none: (name: string) => name,
    optional: (name: string) => `${name}\`, \`${name}(field)`,
    number: (name: string) => `${name}(field)`,
    any: (name: string) => `${name}(field)`,
  };
  const rows = Object.values(COMPONENTS.aggregates).flatMap(({ name, summary, argument, examples, sketch }) =>
    examples.map(({ values, result }, i) => {
      const shown = `${values.map((value) => value ?? 'NULL').join(', ')} → ${result ?? 'NULL'}`;
      const { default: standard, examples: given = [], aliases = [] } = sketch?.parameter ?? {};
      const long = given.length === 0 ? [] : [`${name}(field, ${given[0]})`];
      const written = [
        ...(long.length === 0 || standard !== undefined ? [forms[argument](name)] : []),
        ...long,
        ...aliases.map((alias) => `${alias}(field)`),
      ];
      return i === 0 ? `| \`${written.join('`, `')}\` | ${summary} | ${shown} |` : `| | | ${shown} |`;
    }),
  );
  const table = ['| measure | what it is | example |', '| --- | --- | --- |', ...rows, ''];
  return page(
    'Aggregates',
    'What a measure of a rollup may be. In place of a field there may be an [expression](expressions.md) in SQL, and behind each a condition: `sum(field / 1000) filter (where field > 0)`.',
    table,
  );
}

/** How the examples of sinks are called. */
const SINK_NAMES: Readonly<Record<string, string>> = { duckdb: 'warehouse', elasticsearch: 'search' };

function sinksPage(): string {
  const parts = Object.values(COMPONENTS.sinks).flatMap(({ type, summary, options, example }) => [
    ...beginOf({ type, summary, options }),
    ...yamlBlock({ sinks: { [SINK_NAMES[type] ?? 'out']: { type, ...example } } }),
  ]);
  return page('Sinks', 'Where the tables go. Each sink reads the log at its own pace.', parts);
}
