import type { FieldType } from '../../record/batch.ts';

/** A mapping of one field, as Elasticsearch takes it. */
export type FieldMapping = Readonly<Record<string, unknown>>;
export type Mappings = Readonly<Record<string, FieldMapping>>;

/** Longer values are kept and not indexed: what Lucene takes as one term, in characters of at most 4 bytes. */
const KEYWORD_CHARACTERS_MAX = 8191;

export const KEYWORD: FieldMapping = { type: 'keyword', ignore_above: KEYWORD_CHARACTERS_MAX };
const DATE: FieldMapping = { type: 'date' };
const LONG: FieldMapping = { type: 'long' };

/**
 * Text that is found by its words and shown from the document itself: no positions, no norms. The same as `match_only_text`, which is not in
 * every distribution of the server.
 */
export const WORDS: FieldMapping = { type: 'text', index_options: 'docs', norms: false };

export const FIELD_MAPPINGS: Readonly<Record<FieldType, FieldMapping>> = {
  keyword: KEYWORD,
  ip: { type: 'ip' },
  long: LONG,
  double: { type: 'double' },
  boolean: { type: 'boolean' },
  date: DATE,
};

/** What a document of a line has besides its codec's fields. */
export const LINE_FIELDS: Mappings = {
  '@timestamp': DATE,
  message: WORDS,
  tags: KEYWORD,
  /** For whatever else somebody puts there: one field of the mapping, however many keys. */
  labels: { type: 'flattened' },
  'ecs.version': KEYWORD,
  'event.created': DATE,
  'event.dataset': KEYWORD,
  'event.kind': KEYWORD,
  /** The line, where the codec has a field `message` of its own. */
  'event.original': WORDS,
  'agent.id': KEYWORD,
  'host.name': KEYWORD,
  'log.file.path': KEYWORD,
  'log.level': KEYWORD,
  'log.offset': LONG,
  'error.message': WORDS,
  'tailrace.dropped_fields': KEYWORD,
  /** Only added up, never searched. */
  'tailrace.hash_a': { type: 'long', index: false },
  'tailrace.hash_b': { type: 'long', index: false },
};

/** A line that no consumer could take, or whose document was refused. */
export const DEAD_LETTER_FIELDS: Mappings = {
  ...LINE_FIELDS,
  'error.type': KEYWORD,
  'tailrace.reason': KEYWORD,
};

/** What a document of a rollup row has besides its keys and measures. */
export const ROLLUP_FIELDS: Mappings = {
  '@timestamp': DATE,
  'ecs.version': KEYWORD,
  'tailrace.pipeline': KEYWORD,
  'tailrace.rollup': KEYWORD,
  'tailrace.window.start': DATE,
  'tailrace.window.end': DATE,
  'tailrace.status': KEYWORD,
  'tailrace.revision': LONG,
  'tailrace.lines': LONG,
  'tailrace.overflow': { type: 'boolean' },
  'tailrace.is_other': { type: 'boolean' },
};

/** Dotted names as the tree of objects that Elasticsearch answers. */
export function propertiesOf(fields: Mappings): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [name, mapping] of Object.entries(fields)) {
    const steps = name.split('.');
    const leaf = steps.pop()!;
    let properties = root;
    for (const step of steps) {
      const parent = (properties[step] ??= {}) as Record<string, unknown>;
      // A field with fields below it (`http` beside `http.method`): Elasticsearch has no such thing, the deeper ones stay unindexed.
      if ('type' in parent) break;
      properties = (parent['properties'] ??= {}) as Record<string, unknown>;
    }
    properties[leaf] = 'properties' in ((properties[leaf] as object | undefined) ?? {}) ? properties[leaf] : mapping;
  }
  return root;
}
