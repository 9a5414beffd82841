import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { COMPONENTS } from '../../src/components.ts';
import { SqlParser } from '../../src/expressions/sql-parser.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { problemsOf } from '../support/broken-config.ts';

/** Every option that there is, once. */
const FULL = `version: 1
name: web
data_dir: ./data
broker:
  type: kafka
  brokers: ['127.0.0.1:9092']
  topic_prefix: lp
  single_broker: false
  replication_factor: 3
  min_insync_replicas: 2
  retain: 7d
  tls: { server_name: k }
  sasl: { mechanism: plain, username: u, password: p }
agent: { id: 9b2f3f60-2b1c-4f0e-8b62-0f8f4c6f1a11 }
sources:
  files: { type: file, include: [a.log], exclude: [b.log], line_bytes_max: 1KiB, stream: access }
  topics:
    type: kafka
    stream: access
    topics: [a]
    topic_pattern: b.*
    discovery_interval: 30s
    start: { a: { 0: 1 } }
    isolation: read_committed
    envelope: none
    tombstones: keep
    agent: x
    group: g
    line_bytes_max: 1KiB
streams:
  access:
    codec: { type: json, fields: { t: date }, time_format: iso }
    partitions: 1
    event_time: { field: t, out_of_orderness: 60s, idle_timeout: 1s, max_future: 1h, agent_lost_timeout: 1h }
rollups:
  traffic:
    from: access
    by: []
    window: { type: tumbling, size: 1m, offset: 0ms }
    allowed_lateness: 0s
    measures: { n: count }
sinks:
  warehouse: { type: duckdb }
  search:
    type: elasticsearch
    nodes: ['http://127.0.0.1:9200']
    username: u
    password: p
    insecure: false
    documents: [access]
    rollups: [traffic]
    retention: 30d
    index_prefix: tailrace
    shards: 1
    replicas: 1
  out:
    type: events
    topic: t
    rollups: [traffic]
    format: json
    partitions: 1
    replication_factor: 1
    transactional_id: x
engine:
  workers: 1
  assignment: static
  checkpoint: { interval: 1s, min_pause: 0s, timeout: 60s }
  snapshot_after: 64MiB
`;

const WRONG = [
  -1,
  1.5,
  1e12,
  true,
  '',
  ' ',
  'x'.repeat(3000),
  [],
  [1],
  [''],
  {},
  { '': {} },
  { x: 1 },
  { x: { y: -1 } },
];

const NOWHERE = { line: 1, column: 1, length: 1 };
const CONTEXT = {
  components: COMPONENTS,
  parser: new SqlParser(),
  file: null,
  folder: '/',
  document: { valueAt: () => NOWHERE, keyAt: () => NOWHERE },
};

type Node = Readonly<Record<string, unknown>> | readonly unknown[];

function* pathsOf(node: unknown, path: readonly string[] = []): Generator<readonly string[]> {
  if (path.length > 0) yield path;
  if (typeof node !== 'object' || node === null) return;
  for (const [key, inner] of Object.entries(node)) yield* pathsOf(inner, [...path, key]);
}

function replaced(node: unknown, [step, ...rest]: readonly string[], value: unknown): unknown {
  if (step === undefined) return value;
  if (Array.isArray(node))
    return node.map((item, i) => (String(i) === step ? replaced(item, rest, value) : (item as unknown)));
  const map = node as Readonly<Record<string, unknown>>;
  return { ...map, [step]: replaced(map[step], rest, value) };
}

test('whatever is wrong is said in words of this program, never in those of a library', () => {
  const full = parse(FULL) as Node;
  expect(problemsOf(FULL)).toEqual([]);
  const foreign = new Set<string>();
  for (const path of pathsOf(full)) {
    for (const value of WRONG) {
      for (const { message, hint } of resolveConfig(replaced(full, path, value), CONTEXT).problems) {
        const problem = `${message} — ${hint}`;
        // Zod's messages begin so.
        if (/Invalid|Too (small|big)|expected |>=|<=|"\||Unrecognized|\[object/.test(problem))
          foreign.add(`${path.join('.')}: ${problem.slice(0, 150)}`);
      }
    }
  }
  expect([...foreign]).toEqual([]);
});
