import { expect, test } from '@jest/globals';
import { OperatingError } from '../../src/lib/errors.ts';
import { type SinkRoleEvent, sinkText } from '../../src/roles/sink-text.ts';
import { duckdbSink } from '../../src/roles/sinks/duckdb.ts';
import { elasticsearchSink } from '../../src/roles/sinks/elasticsearch.ts';
import type { ElasticsearchRoleEvent } from '../../src/roles/sinks/elasticsearch-text.ts';
import type { WarehouseEvent } from '../../src/sinks/duckdb/warehouse.ts';

const error = new OperatingError('no answer', { code: 'ES_UNREACHABLE', hint: 'see that it runs' });
const group = 'web.search';

const ofKinds = (event: WarehouseEvent | ElasticsearchRoleEvent): string | undefined =>
  duckdbSink.text!(event as WarehouseEvent) ?? elasticsearchSink.text!(event as ElasticsearchRoleEvent);

test.each<[string | undefined, SinkRoleEvent | WarehouseEvent | ElasticsearchRoleEvent]>([
  [undefined, { type: 'ready', path: 'warehouse.duckdb' }],
  ['a query had the memory: it is ended, its epochs are folded again', { type: 'memory_short' }],
  [
    "warning: templates differ from this pipeline's: a, b (see provision elasticsearch --diff)",
    { type: 'templates_differ', names: ['a', 'b'] },
  ],
  [
    'web.search: no answer (see that it runs); waiting for it',
    { type: 'elasticsearch', group, event: { type: 'away', error } },
  ],
  [
    'web.search: Elasticsearch is back after 3s',
    { type: 'elasticsearch', group, event: { type: 'back', awayMs: 2100 } },
  ],
  [
    'web.search: 2 rows refused, the last one x by rollup-a: no',
    { type: 'elasticsearch', group, event: { type: 'refused', count: 2, index: 'rollup-a', id: 'x', reason: 'no' } },
  ],
  [
    'web.search: older than the retention, deleted: i-1, i-2',
    { type: 'retention', group, event: { type: 'deleted', indices: ['i-1', 'i-2'] } },
  ],
  [
    'documents wait, nothing else does: no answer (see that it runs)',
    { type: 'documents', event: { type: 'away', error } },
  ],
  ['documents go in again after 1m', { type: 'documents', event: { type: 'back', awayMs: 59_500 } }],
  [
    '4 documents became dead letters, the last one: bad\\x00',
    { type: 'documents', event: { type: 'rejected', count: 4, reason: 'bad\u0000' } },
  ],
  [
    'Kafka at k:9092 does not answer: no route; waiting (see that it runs, and that these are its brokers)',
    { type: 'cluster', brokers: ['k:9092'], event: { type: 'away', reason: 'no route' } },
  ],
])('says %p', (line, event) => {
  expect(sinkText(ofKinds)(event)).toBe(line);
});
