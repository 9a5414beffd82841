import { canonicalJson } from '../../epoch/fingerprint.ts';
import type { Aggregates } from '../../aggregates/aggregate.ts';
import type { Pipeline } from '../../epoch/pipeline.ts';
import type { MeasureSpec, RowSchema } from '../../epoch/table.ts';
import { fieldTypeOf } from '../../expressions/tree.ts';
import { present } from '../../lib/assert.ts';
import { hash64 } from '../../lib/hash.ts';
import type { FieldType } from '../../record/batch.ts';
import { documentFields } from './document-writer.ts';
import {
  DEAD_LETTER_FIELDS,
  FIELD_MAPPINGS,
  LINE_FIELDS,
  type Mappings,
  ROLLUP_FIELDS,
  propertiesOf,
} from './mappings.ts';

/** A composable index template, as Elasticsearch takes and answers it. */
export interface IndexTemplate {
  readonly name: string;
  readonly body: {
    readonly index_patterns: readonly string[];
    readonly priority: number;
    readonly composed_of: readonly string[];
    readonly ignore_missing_component_templates: readonly string[];
    readonly template: {
      /** Full names, values as text. */
      readonly settings: Readonly<Record<string, string>>;
      readonly mappings: { readonly dynamic: string; readonly properties: Readonly<Record<string, unknown>> };
    };
    readonly _meta: Readonly<Record<string, string>>;
  };
}

export interface TemplateOptions {
  readonly prefix: string;
  readonly shards: number;
  readonly replicas: number;
  readonly pipeline: Pipeline;
  /** Streams whose lines become documents, each with the fields of its codec. */
  readonly documents: Readonly<Record<string, Readonly<Record<string, FieldType>>>>;
  /** Rollups whose rows become documents. */
  readonly rollups: readonly string[];
  readonly aggregates: Aggregates;
}

/** Above those that come with the server (100 and below), so that no `logs-*` of its own takes part. */
const PRIORITY = 200;
/** Of the sink's own indices: above every stream's, whatever it is called. */
const OWN_PRIORITY = 500;

/** Lines are searchable so long after they were indexed: a segment a second costs a third of the throughput. */
const REFRESH_INTERVAL = '5s';

export function deadLetterPattern(prefix: string): string {
  return `${prefix}-dead-letters-*`;
}

/** Rows stand in one index a rollup: a month of them is less than a minute of lines, and wrong clocks must not make indices. */
export function rollupIndex(prefix: string, rollup: string): string {
  return `${prefix}-rollup-${rollup}`;
}

/**
 * One template for each stream, since two streams may have a field of one name and two types; one for each rollup; one for dead letters.
 * A field that the pipeline does not name is stored and not indexed: no line can make a mapping grow. A component template
 * `<prefix>@custom`, where there is one, adds to all of them.
 */
export function templatesOf(options: TemplateOptions): IndexTemplate[] {
  const { prefix, pipeline } = options;
  const streams = Object.entries(options.documents).map(([stream, fields]) =>
    template(options, `${prefix}-documents-${stream}`, {
      pattern: `${prefix}-${stream}-*`,
      // Of two streams `a` and `a-b`, the longer name is the nearer one.
      priority: PRIORITY + stream.length,
      fields: { ...LINE_FIELDS, ...mappingsOf(ofDocuments(fields)) },
    }),
  );
  const rollups = options.rollups.map((rollup) =>
    template(options, `${prefix}-rollup-${rollup}`, {
      pattern: rollupIndex(prefix, rollup),
      priority: OWN_PRIORITY,
      fields: rollupMappings(
        present(pipeline.tables[rollup], `table ${rollup} is in the pipeline`),
        options.aggregates,
      ),
    }),
  );
  const deadLetters = template(options, `${prefix}-dead-letters`, {
    pattern: deadLetterPattern(prefix),
    priority: OWN_PRIORITY,
    fields: DEAD_LETTER_FIELDS,
  });
  return [...streams, ...rollups, ...(streams.length === 0 ? [] : [deadLetters])];
}

function ofDocuments(fields: Readonly<Record<string, FieldType>>): Record<string, FieldType> {
  return Object.fromEntries(documentFields(fields).map(({ name, type }) => [name, type]));
}

function mappingsOf(fields: Readonly<Record<string, FieldType>>): Mappings {
  return Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, FIELD_MAPPINGS[type]]));
}

/** Fields of each value that a measure lists. */
const COUNTED_VALUE = { value: 'keyword', count: 'long', count_max: 'long' } as const;

/** Keys under their own names, which are ECS, or the names they were given; measures under `tailrace.measures`, so that none can be a key's parent. */
function rollupMappings({ columns, keys, measures, derived = [] }: RowSchema, aggregates: Aggregates): Mappings {
  const typeOf = ({ aggregate, fieldType }: MeasureSpec): FieldType =>
    (fieldType === undefined ? undefined : aggregates[aggregate]?.sketch?.valueType(fieldType)) ?? 'double';
  return {
    ...ROLLUP_FIELDS,
    ...mappingsOf(Object.fromEntries(keys.map(({ field, as = field, type }) => [as, type]))),
    '@timestamp': FIELD_MAPPINGS.date,
    ...Object.fromEntries(
      columns
        .filter(({ name, role }) => role === 'window' && !/^window_(start|end)$/.test(name))
        .map(({ name, type }) => [`tailrace.window.${name}`, FIELD_MAPPINGS[type === 'time' ? 'date' : 'long']]),
    ),
    ...Object.fromEntries(
      measures.flatMap((measure) =>
        aggregates[measure.aggregate]?.sketch?.isJson === true
          ? Object.entries(COUNTED_VALUE).map(([name, type]) => [
              `${measureField(measure.name)}.${name}`,
              FIELD_MAPPINGS[type],
            ])
          : [[measureField(measure.name), FIELD_MAPPINGS[typeOf(measure)]]],
      ),
    ),
    ...Object.fromEntries(
      derived.map(({ name, tree: { type } }) => [
        measureField(name),
        FIELD_MAPPINGS[type === 'long' ? 'double' : fieldTypeOf(type)],
      ]),
    ),
  };
}

export function measureField(measure: string): string {
  return `tailrace.measures.${measure}`;
}

interface TemplateParts {
  readonly pattern: string;
  readonly priority: number;
  readonly fields: Mappings;
}

function template(options: TemplateOptions, name: string, { pattern, priority, fields }: TemplateParts): IndexTemplate {
  const custom = [`${options.prefix}@custom`];
  const body = {
    index_patterns: [pattern],
    priority,
    composed_of: custom,
    ignore_missing_component_templates: custom,
    template: {
      settings: {
        'index.number_of_shards': String(options.shards),
        'index.number_of_replicas': String(options.replicas),
        'index.refresh_interval': REFRESH_INTERVAL,
        'index.codec': 'best_compression',
        'index.mapping.total_fields.limit': '2000',
      },
      mappings: { dynamic: 'false', properties: propertiesOf(fields) },
    },
    _meta: { managed_by: 'tailrace', pipeline: options.pipeline.name },
  };
  return { name, body: { ...body, _meta: { ...body._meta, fingerprint: templateFingerprint(body) } } };
}

/** Hash of all that a template says but the fingerprint itself. One that differs from the stated one was changed by somebody else. */
export function templateFingerprint(body: IndexTemplate['body']): string {
  const { fingerprint: _stated, ...meta } = body._meta;
  return hash64(canonicalJson({ ...body, _meta: meta }));
}
