import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { querySql } from '../../src/sinks/duckdb/client.ts';
import { dataDirOf } from '../../src/config/data-dir.ts';
import { accessLines } from '../support/access-lines.ts';
import { AccessLoad, LoadWriter } from '../support/access-load.ts';
import { type Appliance, endOf, withAppliance } from '../support/appliance.ts';
import { allDocuments, compareIds, idsOfFile } from '../support/document-store.ts';
import { BULK_FAULTS, type FaultProxy, startFaultProxy } from '../support/http-faults.ts';
import { Random } from '../support/random.ts';
import { type Elasticsearch, startElasticsearch } from '../support/stack/elasticsearch.ts';
import { tailrace, workFolder } from '../support/tailrace-process.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const LINES = IS_SOAK ? 2_000_000 : 20_000;
const RANDOM_KILLS = IS_SOAK ? 60 : 3;
const DAY_MS = 86_400_000;
const TEST_MS = IS_SOAK ? 3_600_000 : 600_000;
/** Every test has indices of its own. */
let prefixes = 0;

describeWith('elasticsearch')('documents in a real Elasticsearch', () => {
  let elasticsearch: Elasticsearch;
  let proxy: FaultProxy;

  beforeAll(async () => {
    elasticsearch = await startElasticsearch({ heapMiB: 1024 });
    proxy = await startFaultProxy(elasticsearch.url);
  }, SERVER_START_MS);

  afterAll(async () => {
    await proxy?.stop();
    await elasticsearch?.stop();
  });

  const sinkOf = (prefix: string, options = ''): string =>
    `\n  warehouse: { type: duckdb }\n  search: { type: elasticsearch, nodes: ['${proxy.url}'], index_prefix: ${prefix}, replicas: 0, rollups: []${options} }`;

  test(
    'kills of the sink and of the server, storms, answers that are swallowed, cut or garbled: each line is there once',
    async () => {
      const prefix = `t${++prefixes}`;
      const random = new Random(7);
      await withAppliance({ sinks: sinkOf(prefix), interval: '500ms' }, async (appliance) => {
        const { writer, load } = daysOfLines(appliance, ['a.log', 'b.log']);
        const agent = appliance.role('agent');
        const rounds = 4 + RANDOM_KILLS;
        const each = Math.floor(LINES / (rounds + 2));
        // Each fault once, to one process, with a bulk that gets through behind each.
        const faults = [...BULK_FAULTS];
        let bulks = 0;
        proxy.next = () => (++bulks % 2 === 0 ? faults.shift() : undefined);
        const first = startSink(appliance);
        while (faults.length > 0) await writeSome(writer, 200);
        first.child.kill('SIGKILL');
        await first.ended;
        // And then any of them at any time, to processes that die.
        proxy.next = () => (random.chance(0.3) ? random.pick(BULK_FAULTS) : undefined);
        const killed: string[] = [];
        for (const fault of ['bulk_sent:2', 'bulk_acked:1', 'bulk_sent:1', 'bulk_acked:2']) {
          const sink = startSink(appliance, { TAILRACE_FAULT: `documents.${fault}` });
          // More and more, until the point has been passed often enough.
          while (sink.child.exitCode === null && sink.child.signalCode === null) await writeSome(writer, each / 4);
          const { signal } = await endOf(sink);
          killed.push(`${fault} ${signal}`);
        }
        for (let i = 0; i < RANDOM_KILLS; i++) {
          const sink = startSink(appliance);
          await sink.says(/behind|documents/, 30_000);
          await writeSome(writer, each);
          await systemClock.sleep(random.below(1_500));
          sink.child.kill('SIGKILL');
          await sink.ended;
        }
        const sink = startSink(appliance);
        await writeSome(writer, each);
        await elasticsearch.kill();
        await writeSome(writer, each);
        await elasticsearch.restart();
        // A fast machine has written less by now.
        writer.write(Math.max(2, LINES - load.count));
        writer.stop();
        await systemClock.sleep(2_000);
        sink.child.kill('SIGKILL');
        agent.child.kill('SIGTERM');
        await Promise.all([sink.ended, agent.ended]);
        proxy.next = () => undefined;
        const audit = await appliance.drain({}, TEST_MS);
        expect(killed.filter((how) => how.endsWith('SIGKILL')).length).toBe(4);
        expect([...proxy.counts.keys()].toSorted()).toEqual([...BULK_FAULTS].toSorted());
        expect(await wrongDocuments(appliance, prefix)).toEqual([]);
        expect(audit.differences).toEqual([]);
        expect(audit.documents).toMatchObject([{ sink: 'search', stream: 'access', lost: 0, doubled: 0 }]);
        await removeOne(prefix);
        const { code, result } = await appliance.audit();
        expect([code, result.documents[0]?.lost, result.lost]).toEqual([5, 1, 1]);
      });
    },
    TEST_MS,
  );

  test(
    'while the store is away rows go on and the sink takes no memory for it; then every line gets its document',
    async () => {
      const prefix = `t${++prefixes}`;
      await withAppliance({ sinks: sinkOf(prefix), interval: '500ms' }, async (appliance) => {
        proxy.next = () => 'away';
        const run = appliance.supervised();
        const { writer } = daysOfLines(appliance, ['c.log']);
        await writeSome(writer, LINES / 10);
        await run.says(/documents wait, nothing else does/, 120_000);
        const before = memoryOf(appliance);
        for (let i = 0; i < 9; i++) await writeSome(writer, LINES / 10);
        writer.stop();
        const rows = async (): Promise<number> =>
          Number((await ask(appliance, 'SELECT sum(lines) FROM traffic'))[0]?.[0]);
        const endMs = systemClock.monotonicMs() + TEST_MS / 2;
        while ((await rows()) < LINES * 0.97 && systemClock.monotonicMs() < endMs) await systemClock.sleep(500);
        expect(await rows()).toBeGreaterThan(LINES * 0.97);
        expect(await allDocuments(elasticsearch, `${prefix}-access-*`)).toEqual([]);
        expect(memoryOf(appliance) - before).toBeLessThan(64);
        proxy.next = () => undefined;
        await run.says(/documents go in again/, 120_000);
        run.child.kill('SIGTERM');
        await endOf(run);
        const audit = await appliance.drain({}, TEST_MS);
        expect(audit.differences).toEqual([]);
        expect(await wrongDocuments(appliance, prefix)).toEqual([]);
      });
    },
    TEST_MS,
  );

  test(
    'documents and tables have the fields that the transforms of their stream leave',
    async () => {
      const prefix = `t${++prefixes}`;
      const folder = workFolder();
      writeFileSync(join(folder.path, 'access.log'), accessLines(3));
      writeFileSync(
        join(folder.path, 'tailrace.yaml'),
        `version: 1
name: web
sources: { web: { type: file, include: [access.log], stream: access } }
streams:
  access:
    codec: { type: combined }
    transforms:
      - { type: rename, fields: { source.ip: client, url.path: page } }
      - { type: drop, fields: [user_agent.original] }
rollups: { pages: { from: access, by: [page], window: { type: tumbling, size: 1h }, measures: { lines_of: count } } }
sinks:${sinkOf(prefix)}
`,
      );
      const end = await tailrace(['run', '--once', '--json'], { cwd: folder.path });
      expect(end).toMatchObject({ code: 0 });
      expect(JSON.parse(end.stdout)).toMatchObject({ audit: { sent: 3, stored: 3, lost: 0, doubled: 0 } });
      const documents = await allDocuments(elasticsearch, `${prefix}-access-*`);
      expect(documents).toHaveLength(3);
      const { stdout } = await tailrace(['search', 'client:*', '--since', '3650d', '-o', 'json'], { cwd: folder.path });
      const found = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as object);
      expect(found).toHaveLength(3);
      for (const document of found) {
        expect(document).toMatchObject({ client: expect.any(String), page: expect.any(String) });
        expect(Object.keys(document).filter((field) => /^(source\.ip|url\.path|user_agent)/.test(field))).toEqual([]);
      }
      folder.remove();
    },
    TEST_MS,
  );

  async function removeOne(prefix: string): Promise<void> {
    const [first] = await allDocuments(elasticsearch, `${prefix}-access-*`);
    const path = `/${first!.index}/_doc/${encodeURIComponent(first!.id)}?refresh=true`;
    const { status, body } = await elasticsearch.ask(path, 'DELETE');
    if (status !== 200) throw new Error(`${path} answered ${status}: ${JSON.stringify(body)}`);
  }

  async function wrongDocuments(appliance: Appliance, prefix: string): Promise<string[]> {
    const rows = await ask(appliance, 'SELECT source, path FROM tailrace.sources');
    const lines = rows.flatMap(([source, path]) => idsOfFile(source as string, path as string));
    expect(lines.length).toBeGreaterThan(LINES * 0.9);
    return compareIds(await allDocuments(elasticsearch, `${prefix}-access-*,${prefix}-dead-letters-*`), lines);
  }
});

async function ask(appliance: Appliance, sql: string): Promise<readonly (readonly unknown[])[]> {
  const { sqlSocket: socketPath, warehouse: databasePath } = dataDirOf(appliance.dataDir);
  return (await querySql({ socketPath, databasePath }, sql)).rows;
}

/** Resident memory of the sink's process, MiB. */
function memoryOf(appliance: Appliance): number {
  const pid = readFileSync(join(appliance.dataDir, 'run', 'sink-search.pid'), 'utf8').trim();
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

function startSink(
  appliance: Appliance,
  environment: Readonly<Record<string, string>> = {},
): ReturnType<Appliance['start']> {
  return appliance.start(['sink', 'search', '-c', appliance.config], environment);
}

/** Lines of four days, of which the first is more than a month ago: indices of a month, and of days. */
function daysOfLines(appliance: Appliance, names: readonly string[]): { writer: LoadWriter; load: AccessLoad } {
  const startMs = Math.floor(systemClock.nowMs() / DAY_MS) * DAY_MS - 32 * DAY_MS;
  const load = new AccessLoad({ seed: 5, startMs, stepMs: (4 * DAY_MS) / LINES });
  const writer = new LoadWriter(
    load,
    names.map((name) => appliance.log(name)),
    { seed: 6 },
  );
  return { writer, load };
}

/** In pieces with pauses, so that they are several bulks. */
async function writeSome(writer: LoadWriter, lines: number): Promise<void> {
  for (let i = 0; i < 4; i++) {
    writer.write(Math.ceil(lines / 4));
    await systemClock.sleep(300);
  }
}
