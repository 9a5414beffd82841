import { z } from 'zod';
import { zoneName } from '../lib/zone-clock.ts';
import { duration, size } from '../lib/units.ts';
import { expressionText } from '../transforms/expression-option.ts';
import { observeSection } from './observe.ts';
import { restartSection } from './restart.ts';
import type { ConfigComponents } from './definitions.ts';
import { kafkaBrokerSection } from './kafka-broker.ts';

/** Names become parts of topics, files and tables: short, plain, lower case; none that every object of the language has. */
const SLUG = /^(?!constructor$)[a-z][a-z0-9_-]{0,62}$/;
/** Names of views and columns: what SQL takes without quotes. */
const SQL_NAME = /^(?!constructor$)[a-z_][a-z0-9_]{0,62}$/;

const SLUG_FORM = 'a name: a lower-case letter, then letters, digits, _ and -, at most 63';
const SQL_NAME_FORM = 'a name for SQL: lower-case letters, digits and _, at most 63, not beginning with a digit';

export const slug = z
  .string({ error: () => `expects ${SLUG_FORM}` })
  .regex(SLUG, { error: () => `expects ${SLUG_FORM}` });
const sqlName = z.string().regex(SQL_NAME, { error: () => `expects ${SQL_NAME_FORM}` });
const text = z.string({ error: () => 'expects text' }).min(1, { error: () => 'must not be empty' });

/** The options of a listed component, told from its neighbours by `type`. One cast: every component's options are an object. */
function typed({ type, options }: { type: string; options: z.ZodType }): z.ZodObject {
  const shape = options as z.ZodObject;
  // It may be there, with a description.
  return 'type' in shape.shape ? shape : shape.extend({ type: z.literal(type) });
}

function oneOf(
  components: Readonly<Record<string, { type: string; options: z.ZodType }>>,
  shared: z.ZodRawShape = {},
): z.ZodDiscriminatedUnion {
  const [first, ...rest] = Object.values(components).map((component) => typed(component).extend(shared));
  return z.discriminatedUnion('type', [first!, ...rest]);
}

/** What every source has, whatever its kind. */
const SOURCE_SHAPE = {
  stream: z.string({ error: () => 'expects the name of a stream' }).describe('The stream its lines belong to.'),
};

export const brokerSection = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('embedded').describe('One file in `data_dir`, for the roles of one machine.'),
    retain: duration({ min: '0s', max: '3650d' })
      .prefault('7d')
      .describe('Raw blocks stay at least this long after every reader is past them, and at most half of `disk_max`.'),
    disk_max: size({ min: '16MiB', max: '1024TiB' })
      .prefault('20GiB')
      .describe('At this size the log takes no more: agents wait, nothing is deleted that a reader still needs.'),
  }),
  kafkaBrokerSection,
]);

export const agentSection = z.strictObject({
  id: z
    .uuid({ error: () => 'expects a UUID, as uuidgen makes it' })
    .optional()
    .describe(
      'Its name for life, part of every line id. Minted in `data_dir` by default; on Kafka it must be given, one for each host (`TAILRACE_AGENT_ID`), so that a lost disk can be told from a new agent.',
    ),
});

export const eventTimeSection = z.strictObject({
  field: text
    .optional()
    .describe("The field that is event time, or `read_at` for the moment of reading. The codec's own by default."),
  time_zone: zoneName.describe(
    'The zone of times that are written without one, as `Europe/Berlin`. A time that comes twice (clocks set back) is its first; one that is left out (set forward) is read as if they had not been set yet.',
  ),
  out_of_orderness: duration({ min: '0s', max: '30d' })
    .prefault('60s')
    .describe('How far a line may lie behind the newest before it and still count.'),
  idle_timeout: duration({ min: '100ms', max: '30d' })
    .prefault('30s')
    .describe('A source that is read to its end and quiet this long no longer holds the watermark.'),
  max_future: duration({ min: '1s', max: '3650d' })
    .prefault('1h')
    .describe(
      'A line this far ahead of the moment it was read is a dead letter. What is less far ahead counts in its window, and moves the watermark no further than the agent’s clock.',
    ),
  agent_lost_timeout: duration({ min: '1s', max: '365d' })
    .prefault('1h')
    .describe('An agent that was silent this long in log time no longer holds the watermark.'),
});

/** Each is checked for every line, or at every start: more than people write by hand. */
const TRANSFORMS_MAX = 32;

const KEY_FORM = 'expects the name of a field, or { field, as }';
/** A key by its field, or with a name of its own where the field's is taken. */
const keySection = z.union([text, z.strictObject({ field: text, as: sqlName.optional() })], { error: () => KEY_FORM });

/** Each is a column or more of every row, and of the code that goes over every line. */
const MEASURES_MAX = 200;

/** Tens of thousands of rows a second are written; a row takes 150 bytes of memory, and its key. */
export const ROWS_MAX = { usual: 1_000_000, most: 10_000_000 };
const ROWS_MAX_FORM = `must be a whole number between 1 and ${ROWS_MAX.most}`;

export const checkpointSection = z.strictObject({
  interval: duration({ min: '50ms', max: '10m' }).prefault('1s').describe('How often what was decided is committed.'),
  min_pause: duration({ min: '0s', max: '10m' })
    .prefault('0s')
    .describe('Pause between the end of one checkpoint and the next.'),
  timeout: duration({ min: '1s', max: '1h' }).prefault('60s').describe('A checkpoint that takes longer has failed.'),
});

export const engineSection = z.strictObject({
  workers: z
    .int({ error: () => 'expects a whole number' })
    .min(1, { error: () => 'must be between 1 and 64' })
    .max(64, { error: () => 'must be between 1 and 64' })
    .prefault(1)
    .describe(
      'Engine processes that share the partitions of the streams. `run` starts so many; with `assignment: group` every host does.',
    ),
  assignment: z
    .enum(['static', 'group'], { error: () => 'expects static or group' })
    .prefault('static')
    .describe(
      'Who reads which partition: `static`, worker i of n for good, or `group`, a consumer group of Kafka, where workers of several hosts come and go; each host with a `duckdb` sink has a whole copy, other sinks work on one host at a time.',
    ),
  checkpoint: checkpointSection.prefault({}).describe('How often decisions are committed.'),
  snapshot_after: size({ min: '16KiB', max: '16GiB' })
    .prefault('64MiB')
    .describe(
      'Epochs of this size, or of four snapshots where that is more, are followed by one with the whole state: a start reads from there, and what lies before it may be trimmed.',
    ),
});

const slugRecord = <T extends z.ZodType>(values: T): z.ZodRecord<typeof slug, T> =>
  z.record(slug, values, { error: () => 'expects a map of names' });

/** A window is told by what its operator does. */
function windowsOf(operators: ConfigComponents['operators']): Record<string, { type: string; options: z.ZodType }> {
  return Object.fromEntries(
    Object.entries(operators).map(([type, { summary, options }]) => [
      type,
      { type, options: options.extend({ type: z.literal(type).describe(summary) }) },
    ]),
  );
}

function streamSection({ codecs, transforms }: ConfigComponents) {
  return z.strictObject({
    codec: oneOf(codecs).describe('How the lines are written.'),
    transforms: z
      .array(oneOf(transforms), { error: () => 'expects a list of transforms' })
      .max(TRANSFORMS_MAX, { error: () => `takes at most ${TRANSFORMS_MAX} transforms` })
      .prefault([])
      .describe('What happens to the fields of a line before anybody reads them, in this order.'),
    event_time: eventTimeSection.prefault({}),
    partitions: z
      .int({ error: () => 'expects a whole number' })
      .min(1, { error: () => 'must be between 1 and 64' })
      .max(64, { error: () => 'must be between 1 and 64' })
      .prefault(1)
      .describe('Partitions of the topics, fixed at the birth of the stream.'),
  });
}

function rollupSection({ operators }: ConfigComponents) {
  return z.strictObject({
    from: text.describe(
      'The stream it reads; or another table, each of whose final rows is then a line with the fields `window_start`, `window_end`, `lines`, those of its kind of window, its keys and its measures, and the last millisecond of its window as event time.',
    ),
    by: z
      .array(keySection, { error: () => 'expects a list of fields' })
      .max(8, { error: () => 'takes at most 8 fields' })
      .prefault([])
      .describe(
        'Key fields, at most 8, in the order of the columns. None: one row a window. `{ field: status, as: http_status }` calls the column otherwise.',
      ),
    where: expressionText
      .optional()
      .describe(
        'The condition of its lines, in SQL. Those for which it is not true are in none of its rows, and never late; they still move the clock.',
      ),
    window: oneOf(windowsOf(operators)),
    allowed_lateness: duration({ min: '0s', max: '31d' })
      .prefault('0s')
      .describe('A closed window stays open for late lines this long, in event time; they revise its row.'),
    rows_max: z
      .int({ error: () => ROWS_MAX_FORM })
      .min(1, { error: () => ROWS_MAX_FORM })
      .max(ROWS_MAX.most, { error: () => ROWS_MAX_FORM })
      .optional()
      .describe(
        'How many keys get a row of their own, per window and partition. Whoever sends requests may choose the keys: all further keys share one row, whose key is NULL and whose `is_other` is true. Default 1000000. Sliding windows count the keys of all open windows together, while their panes hold fewer than 16 × `rows_max` rows: the default is then 16 million divided by the number of windows that a line is in, and `check` refuses more than 64 million, since a jump of the clock gives all windows at once.',
      ),
    measures: z
      .record(sqlName, text)
      .refine((measures) => Object.keys(measures).length <= MEASURES_MAX, {
        error: () => `takes at most ${MEASURES_MAX} measures`,
      })
      .describe(
        'Column name → aggregate in SQL, such as `sum(http.response.body.bytes)`, `p95(event.duration / 1000000)` or `count(*) filter (where http.response.status_code >= 500)`; or an expression over other measures, keys, `lines` and the columns of the window: `errors / requests`.',
      ),
  });
}

function configSchema(
  { sources, sinks }: ConfigComponents,
  {
    stream,
    rollup,
  }: { readonly stream: ReturnType<typeof streamSection>; readonly rollup: ReturnType<typeof rollupSection> },
) {
  return z.strictObject({
    version: z.literal(1, { error: () => 'expects 1, the version of this file format' }),
    name: slug.describe('The name of the pipeline. It is part of the names of topics and of consumer groups.'),
    data_dir: text
      .prefault('./tailrace-data')
      .describe("Everything Tailrace keeps: log, registry, warehouse, locks. Relative to this file's folder."),
    broker: brokerSection.prefault({ type: 'embedded' }).describe('The durable log between the stages.'),
    agent: agentSection.prefault({}).describe('The agent, where it must be told from others.'),
    sources: slugRecord(oneOf(sources, SOURCE_SHAPE)).describe('What is read.'),
    streams: slugRecord(stream).describe('Kinds of lines.'),
    rollups: z
      .record(sqlName, rollup, { error: () => 'expects a map of names; leave it out where there are no tables' })
      .prefault({})
      .describe('Tables that are kept up to date. None where lines go to Elasticsearch alone.'),
    sinks: slugRecord(oneOf(sinks))
      .prefault({ warehouse: { type: 'duckdb' } })
      .describe('Where the tables go.'),
    engine: engineSection.prefault({}),
    restart: restartSection.prefault({}).describe('When a role that failed is started again.'),
    observe: observeSection.prefault({}).describe('How a run shows what it does.'),
  });
}

function makeSchemas(components: ConfigComponents) {
  const stream = streamSection(components);
  const rollup = rollupSection(components);
  return { stream, rollup, config: configSchema(components, { stream, rollup }) };
}

export type Schemas = ReturnType<typeof makeSchemas>;
export type StreamSection = z.output<Schemas['stream']>;
export type ConfigFile = z.output<Schemas['config']>;

/** A program has one set of components, and asks for each value that comes from the environment. */
const made = new WeakMap<ConfigComponents, Schemas>();

/** The form of a file that may name these components. */
export function schemasOf(components: ConfigComponents): Schemas {
  const schemas = made.get(components) ?? makeSchemas(components);
  made.set(components, schemas);
  return schemas;
}
