// Documents a second of the document sink, against a bare loop that sends the very same requests: built before the clock starts, two in flight,
// packed the same way, nothing looked at but the status. Both on one Elasticsearch, in turns. `node test/bench/elasticsearch.bench.ts [lines]`.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { combined } from '../../src/codecs/combined.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { Batch, LINE_VERDICTS } from '../../src/record/batch.ts';
import { BULK_BYTES_MAX, Bulk, actionBegin } from '../../src/sinks/elasticsearch/bulk.ts';
import { bulkTransport } from '../../src/sinks/elasticsearch/bulk-transport.ts';
import { openElasticsearch } from '../../src/sinks/elasticsearch/client.ts';
import { sourcePart } from '../../src/sinks/elasticsearch/document-id.ts';
import { DocumentWriter, documentFields } from '../../src/sinks/elasticsearch/document-writer.ts';
import { roadFile } from '../support/road-bench.ts';
import { startElasticsearch } from '../support/stack/elasticsearch.ts';

const MAIN = join(process.cwd(), 'dist/main.js');
const lines = Number(process.argv[2] ?? 300_000);
const ROUNDS = 3;
const SOURCE = '11c3bf69-c9d2-4791-9c52-239132814ab5/1';

/** The requests of all lines of a file, as the sink would send them. */
function requestsOf(path: string, index: string): Buffer[] {
  const bytes = readFileSync(path);
  const fields = documentFields(combined.fields({}));
  const batch = new Batch(fields.map(({ type }) => type));
  const decode = combined.compile({}, { fields, eventTimeField: '@timestamp' });
  const writer = new DocumentWriter('access', fields);
  const requests: Buffer[] = [];
  const sourceText = Buffer.from(sourcePart(SOURCE));
  const begin = actionBegin(index);
  const bulk = new Bulk(BULK_BYTES_MAX);
  const flush = (): void => {
    if (bulk.count > 0) requests.push(gzipSync(bulk.body(), { level: 1 }));
    bulk.clear();
  };
  for (let start = 0; start < bytes.length;) {
    const end = bytes.lastIndexOf(0x0a, start + 512 * 1024) + 1;
    const value = bytes.subarray(start, end);
    let count = 0;
    for (let at = value.indexOf(0x0a); at >= 0; at = value.indexOf(0x0a, at + 1)) count++;
    decode({ bytes: value, lines: count, start }, batch);
    const hashes = new Uint32Array(count).map((_, i) => i);
    const admitted = {
      batch,
      source: SOURCE,
      path,
      readAtMs: systemClock.nowMs(),
      verdicts: LINE_VERDICTS,
      detailOf: () => '',
      hashA: hashes,
      hashB: hashes,
    };
    writer.beginBlock(admitted);
    for (let line = 0; line < count; line++) {
      bulk.beginItem(begin, sourceText, batch.lineOffset[line]!);
      writer.write(bulk.json, admitted, line);
      bulk.endItem(undefined, 0, 0);
      if (bulk.isFull(BULK_BYTES_MAX)) flush();
    }
    start = end;
  }
  flush();
  return requests;
}

async function bareLoop(url: string, requests: readonly Buffer[]): Promise<number> {
  const client = openElasticsearch({ nodes: [url] });
  const transport = bulkTransport(client);
  const startedMs = systemClock.monotonicMs();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < requests.length) await transport.send(requests[next++]!);
  };
  await Promise.all([lane(), lane()]);
  const tookMs = systemClock.monotonicMs() - startedMs;
  await client.close();
  return tookMs;
}

/** From the start of the sink's process, with raw in the log, to the last document committed in its epoch. */
async function sink(folder: string, url: string, prefix: string): Promise<number> {
  const config = join(folder, 'tailrace.yaml');
  const text = `version: 1
name: bench
data_dir: ${join(folder, prefix)}
sources: { web: { type: file, include: ['${join(folder, 'access.log')}'], stream: access } }
streams: { access: { codec: { type: combined }, event_time: { max_future: 3650d } } }
rollups: { days: { from: access, window: { type: tumbling, size: 1d }, measures: { requests: count } } }
sinks:
  warehouse: { type: duckdb }
  search: { type: elasticsearch, nodes: ['${url}'], index_prefix: ${prefix}, replicas: 0, rollups: [] }
`;
  writeFileSync(config, text);
  // The log is filled before: agent and engine are not what is measured.
  const agent = spawnSync(process.execPath, [MAIN, 'agent', '--once', '-c', config], { stdio: 'inherit' });
  if (agent.status !== 0) throw new Error('the agent failed');
  const client = openElasticsearch({ nodes: [url] });
  const startedMs = systemClock.monotonicMs();
  const child = spawn(process.execPath, [MAIN, 'sink', 'search', '--once', '-c', config], { stdio: 'inherit' });
  let tookMs = 0;
  for (let found = 0; found < lines;) {
    await systemClock.sleep(100);
    tookMs = systemClock.monotonicMs() - startedMs;
    // What was indexed and is not yet searchable counts as well; asking for it makes no segments.
    const stats = await client.indices.stats({ index: `${prefix}-access-*`, metric: 'indexing' }, { ignore: [404] });
    found = stats._all?.primaries?.indexing?.index_total ?? 0;
  }
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('close', resolve));
  await client.close();
  return tookMs;
}

const perSecond = (tookMs: number): number => Math.round((lines / tookMs) * 1000);
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

const elasticsearch = await startElasticsearch({ heapMiB: 1024 });
const folder = mkdtempSync(join(tmpdir(), 'tailrace-es-bench-'));
try {
  writeFileSync(join(folder, 'access.log'), readFileSync(roadFile(lines)));
  const bare: number[] = [];
  const ours: number[] = [];
  // A first round warms the server up and does not count.
  for (let round = 0; round <= ROUNDS; round++) {
    // The sink makes the templates that both use.
    const right = await sink(folder, elasticsearch.url, `round${round}`);
    await elasticsearch.ask(`/round${round}-*`, 'DELETE');
    const requests = requestsOf(join(folder, 'access.log'), `round${round}-access-2026.11.22`);
    const left = await bareLoop(elasticsearch.url, requests);
    await elasticsearch.ask(`/round${round}-*`, 'DELETE');
    if (round === 0) continue;
    bare.push(perSecond(left));
    ours.push(perSecond(right));
    console.log(`round ${round}: bare loop ${bare.at(-1)} documents/s, sink ${ours.at(-1)} documents/s`);
  }
  const share = Math.round((100 * median(ours)) / median(bare));
  console.log(`${lines} lines: bare loop ${median(bare)}, sink ${median(ours)} documents/s: ${share} %`);
} finally {
  await elasticsearch.stop();
  rmSync(folder, { recursive: true, force: true });
}
