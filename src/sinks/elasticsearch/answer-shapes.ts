import { z } from 'zod';
import { OperatingError } from '../../lib/errors.ts';

/** The parts of each answer that are read; the rest is ignored. */
export const HEALTH = z.object({ status: z.string() });
export const POINT_IN_TIME = z.object({ id: z.string() });
/** Indices by their names. */
export const INDICES = z.record(z.string(), z.unknown());
export const HITS = z.object({
  hits: z.object({
    hits: z.array(
      z.object({
        _id: z.string().optional(),
        _index: z.string(),
        _source: z.record(z.string(), z.unknown()).optional(),
        sort: z.array(z.unknown()).optional(),
        matched_queries: z.union([z.array(z.string()), z.record(z.string(), z.number())]).optional(),
      }),
    ),
  }),
});
const VALUE = z.object({ value: z.number() });
export const SUMS = z.object({
  hits: z.object({ total: VALUE }),
  aggregations: z.object({ groups: z.object({ buckets: z.array(z.object({ a: VALUE, b: VALUE })) }) }),
});
export const TEMPLATES = z.object({
  index_templates: z.array(
    z.object({
      index_template: z.looseObject({
        index_patterns: z.array(z.string()).optional(),
        priority: z.number().optional(),
        composed_of: z.array(z.string()).optional(),
        ignore_missing_component_templates: z.array(z.string()).optional(),
        template: z
          .looseObject({
            settings: z.record(z.string(), z.unknown()).optional(),
            mappings: z.record(z.string(), z.unknown()).optional(),
          })
          .optional(),
        _meta: z.record(z.string(), z.unknown()).optional(),
      }),
    }),
  ),
});
const PART = z.object({
  partition: z.int().min(0),
  n: z.number(),
  log: z.string(),
  revision: z.number(),
  lines: z.number(),
  accumulators: z.base64().refine((text) => Buffer.byteLength(text, 'base64') % 8 === 0),
  sketches: z.array(z.base64()).optional(),
  removed: z.boolean().optional(),
});
export const KEPT_ROW = z.object({
  status: z.enum(['open', 'final', 'revised', 'superseded']),
  cells: z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
  parts: z.array(PART),
});
export const STORED_ROW = KEPT_ROW.extend({ rollup: z.string() });

/** A bulk's item: the name of the action, and what became of it. */
const BULK_ITEM = z.object({
  status: z.number(),
  _seq_no: z.number().optional(),
  _primary_term: z.number().optional(),
  error: z.unknown().optional(),
});
export type BulkItem = z.infer<typeof BULK_ITEM>;
export const BULK = z.object({ items: z.array(z.record(z.string(), BULK_ITEM)) });
const DOCUMENT = z.object({
  found: z.boolean().optional(),
  _seq_no: z.number().optional(),
  _primary_term: z.number().optional(),
  _source: z.object({ tailrace: KEPT_ROW.optional() }).optional(),
});
export type StoredDocument = z.infer<typeof DOCUMENT>;
export const DOCUMENTS = z.object({ docs: z.array(DOCUMENT) });

/** The answer in its shape; throws `ES_ANSWER`, which is retryable: the same address may be right in a moment. `what` was asked about. */
export function checked<T>(shape: z.ZodType<T>, answer: unknown, what: string): T {
  const { success, data, error } = shape.safeParse(answer);
  if (success) return data;
  const [issue] = error.issues;
  throw badAnswerError(`${what}: the answer is none of Elasticsearch's: at ${issue!.path.join('.') || 'its top'}`);
}

export const ANSWER_TOO_LONG = 'ES_ANSWER_TOO_LONG';

export function longAnswerError(message: string): OperatingError {
  return badAnswerError(message, ANSWER_TOO_LONG);
}

export function badAnswerError(message: string, code = 'ES_ANSWER'): OperatingError {
  return new OperatingError(message, {
    code,
    isRetryable: true,
    hint: 'see that nodes names an Elasticsearch, and what stands in between; it is asked again',
  });
}
