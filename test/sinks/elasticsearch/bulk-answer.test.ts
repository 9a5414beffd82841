import { expect, test } from '@jest/globals';
import { busyError, isRefused, judgeAnswer } from '../../../src/sinks/elasticsearch/bulk-answer.ts';

const ILLEGAL = 'illegal_argument_exception';

/** As an Elasticsearch 9.1 says them, with status 400. */
test.each([
  ['document_parsing_exception', "[1:6] failed to parse field [n] of type [long]. Preview of field's value: 'abc'"],
  ['document_parsing_exception', '[1:2] failed to parse: field name cannot be an empty string'],
  ['strict_dynamic_mapping_exception', '[1:6] mapping set to strict, dynamic introduction of [z] within [_doc]'],
  [ILLEGAL, 'Field name [zzzzzzzzzzzzzzzzzz] is longer than the limit of [10] characters'],
  [ILLEGAL, 'Document contains at least one immense term in field="k" (whose UTF8 encoding is longer than 32766)'],
  [ILLEGAL, 'DocValuesField "k" is too large, must be <= 32766'],
  [ILLEGAL, 'Limit of total fields [1000] has been exceeded while adding new fields [993]'],
  [ILLEGAL, 'Limit of mapping depth [20] has been exceeded due to object field [deep.a]'],
  [ILLEGAL, 'mapper [x] cannot be changed from type [long] to [text]'],
  [ILLEGAL, "can't merge a non object mapping [o] with an object mapping"],
])('%s is the fault of the document: %s', (type, reason) => {
  expect(isRefused(400, { type, reason })).toBe(true);
});

test.each([
  [400, ILLEGAL, 'pipeline with id [gone] does not exist'],
  [400, ILLEGAL, 'no write index is defined for alias [b1]. The write index may be explicitly disabled'],
  [400, ILLEGAL, 'Number of documents in shard [tailrace-access-2026.11.26][0] exceeds the limit of [2147483519]'],
  [400, ILLEGAL, 'explicit index in bulk is not allowed'],
  [400, ILLEGAL, 'unknown index sort field:[nowhere]'],
  [400, 'mapper_parsing_exception', 'Failed to parse mapping: No handler for type [x] declared on field [y]'],
  [400, 'validation_exception', 'this action would add [200] shards, but this cluster has [12]/[40] maximum'],
  [400, 'index_closed_exception', 'closed'],
  [403, 'cluster_block_exception', 'index [a5] blocked by: [FORBIDDEN/8/index write (api)];'],
  [403, 'security_exception', 'action [indices:data/write/bulk] is unauthorized'],
  [404, 'index_not_found_exception', 'no such index [b66] and [action.auto_create_index] is [false]'],
  [429, 'cluster_block_exception', 'disk usage exceeded flood-stage watermark'],
  [503, 'unavailable_shards_exception', 'primary shard is not active'],
])('%i %s is the fault of the cluster: %s', (status, type, reason) => {
  const error = { type, reason };
  expect(isRefused(status, error)).toBe(false);
  const answer = { items: [{ create: { _id: 'a', status, error } }] };
  expect(judgeAnswer(answer, 1, () => 'a')).toMatchObject([{ position: 0, type: 'again', status }]);
});

test('a cause says what a type alone does not', () => {
  const error = (reason: string): unknown => ({ type: ILLEGAL, reason: 'no', caused_by: { type: ILLEGAL, reason } });
  expect(isRefused(400, error('Limit of total fields [10] has been exceeded'))).toBe(true);
  expect(isRefused(400, error('pipeline with id [gone] does not exist'))).toBe(false);
});

test('what a busy server says is safe to show', () => {
  expect(busyError('documents', 400, '\u001b[2J').message).toBe(
    String.raw`Elasticsearch takes no documents now (400: \x1b[2J)`,
  );
});
