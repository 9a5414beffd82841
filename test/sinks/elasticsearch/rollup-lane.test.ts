import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { COMPONENTS } from '../../../src/components.ts';
import type { Log } from '../../../src/broker/broker.ts';
import type { SourceMark } from '../../../src/epoch/epoch.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { type ElasticsearchClient, openElasticsearch } from '../../../src/sinks/elasticsearch/client.ts';
import { putTemplate } from '../../../src/sinks/elasticsearch/provision.ts';
import { RollupLane } from '../../../src/sinks/elasticsearch/rollup-lane.ts';
import { RollupWriter, type RollupWriterEvent } from '../../../src/sinks/elasticsearch/rollup-writer.ts';
import { rollupIndex, templatesOf } from '../../../src/sinks/elasticsearch/templates.ts';
import type { IncomingEpoch } from '../../../src/sinks/epoch-reader.ts';
import { StreamFold } from '../../../src/sinks/stream-fold.ts';
import { EpochChain, type TestRow, bodyOf, pipelineOf, rowsOf } from '../../support/epochs.ts';
import { MemoryStore } from '../../support/memory-log.ts';
import { Random } from '../../support/random.ts';
import { type Elasticsearch, startElasticsearch } from '../../support/stack/elasticsearch.ts';
import { SERVER_START_MS, describeWith } from '../../support/stack/require-stack.ts';
import { AGGREGATES, WarehouseHarness } from '../../support/warehouse-harness.ts';
import { WarehouseModel } from '../../support/warehouse-model.ts';

const SOAK = process.env['TAILRACE_SOAK'] === '1';
const SEEDS = Array.from({ length: SOAK ? 60 : 2 }, (_, seed) => seed + 1);
const EPOCHS_MIN = SOAK ? 300 : 60;
const KILLS_MIN = SOAK ? 12 : 4;
const PARTITIONS = 3;
const GROUP = 'web.search.rollups';
const PIPELINE = {
  ...pipelineOf(),
  streams: { access: { ...pipelineOf().streams['access']!, partitions: PARTITIONS } },
};

/** What a kill is to a client: a request that was never sent, or whose answer nobody hears. */
class Killed extends Error {}

/** The rows of the view, and the documents, in the same words: start, end, keys, measures, status, revision, lines. */
const ROWS_SQL = `SELECT epoch_ms(window_start), epoch_ms(window_end), url_path, http_response_status_code, requests, bytes,
  overflow, status, revision, lines FROM traffic`;

describeWith('elasticsearch')('rollup documents in a real Elasticsearch', () => {
  let elasticsearch: Elasticsearch;
  let client: ElasticsearchClient;

  beforeAll(async () => {
    elasticsearch = await startElasticsearch();
    client = openElasticsearch({ nodes: [elasticsearch.url] });
  }, SERVER_START_MS);

  afterAll(async () => {
    await client?.close();
    await elasticsearch?.stop();
  });

  async function makeTemplates(prefix: string): Promise<void> {
    const options = {
      prefix,
      shards: 1,
      replicas: 0,
      pipeline: PIPELINE,
      documents: {},
      rollups: ['traffic'],
      aggregates: COMPONENTS.aggregates,
    };
    for (const template of templatesOf(options)) await putTemplate(client, template);
  }

  function laneOf(log: Log, topic: string, prefix: string, through: ElasticsearchClient, seed: number): Lane {
    const events: RollupWriterEvent[] = [];
    const lane = new RollupLane({
      client: through,
      clock: systemClock,
      random: seededRandom(seed),
      log,
      aggregates: AGGREGATES,
      prefix,
      pipeline: 'web',
      options: {
        group: GROUP,
        topics: [{ stream: 'access', topic, partitions: PARTITIONS }],
        rollups: ['traffic'],
        writeIntervalMs: 2,
      },
      notify: (event) => events.push(event),
    });
    return { lane, events };
  }

  async function documents(prefix: string): Promise<string[]> {
    const index = rollupIndex(prefix, 'traffic');
    await client.indices.refresh({ index });
    const answer = await client.search<Document>({ index, size: 10_000 });
    return answer.hits.hits
      .map(({ _source: source }) => {
        const { window, measures, overflow, status, revision, lines } = source!.tailrace;
        const times = [Date.parse(window.start), Date.parse(window.end)];
        const keys = [source!['url.path'], source!['http.response.status_code']];
        return JSON.stringify([
          ...times,
          ...keys,
          measures.requests,
          measures.bytes,
          overflow,
          status,
          revision,
          lines,
        ]);
      })
      .sort();
  }

  /** A client that dies at its request number `dieAt`, before or after it was heard. */
  function mortal(dieAt: number, isHeard: boolean): ElasticsearchClient {
    let requests = 0;
    const request = async (...args: Parameters<ElasticsearchClient['transport']['request']>): Promise<unknown> => {
      const isLast = ++requests === dieAt;
      if (requests > dieAt || (isLast && !isHeard)) throw new Killed();
      const answer = await client.transport.request(...args);
      if (isLast) throw new Killed();
      return answer;
    };
    return Object.create(client, { transport: { value: { request } } }) as ElasticsearchClient;
  }

  test.each(SEEDS)(
    'are the rows of DuckDB, whatever is killed, replayed and written by two at once (seed %i)',
    async (seed) => {
      const random = new Random(seed);
      const prefix = `race${seed}`;
      await makeTemplates(prefix);
      const world = await World.begin(random);
      let kills = 0;
      const grown = new AbortController();
      const live = async (): Promise<void> => {
        while (!grown.signal.aborted) {
          const through = mortal(1 + random.below(5), random.chance(0.5));
          const { lane } = laneOf(world.store.open(), world.topic, prefix, through, seed);
          try {
            await lane.run(grown.signal);
          } catch (error) {
            if (!(error instanceof Killed)) throw error;
            kills++;
          }
        }
      };
      const growing = (async () => {
        for (let epochs = 0; epochs < EPOCHS_MIN || kills < KILLS_MIN; epochs++) await world.grow();
        grown.abort();
      })();
      await Promise.all([growing, live(), live()]);
      await world.end();
      const { lane, events } = laneOf(world.store.open(), world.topic, prefix, client, seed);
      const stop = new AbortController();
      const running = lane.run(stop.signal);
      await untilReported(world.store.open(), world.topic);
      stop.abort();
      await running;
      const harness = new WarehouseHarness();
      try {
        await world.store.open().forget(GROUP);
        await harness.runToEnd(world.store.open(), world.topic);
        const rows = await harness.query(ROWS_SQL);
        expect(await documents(prefix)).toEqual(rows.map((row) => JSON.stringify(row)).sort());
        expect(rows.length).toBeGreaterThan(20);
      } finally {
        harness.remove();
      }
      expect(events).toEqual([]);
    },
    180_000,
  );

  describe('one row, two writers', () => {
    /** A writer that has read so many of each partition's three epochs. */
    const writerAt = (prefix: string, read: readonly [number, number]): (() => Promise<boolean>) => {
      const fold = new StreamFold(['traffic']);
      read.forEach((epochs, partition) => {
        for (let n = 1; n <= epochs; n++) fold.apply(epochOf(partition, n));
      });
      const rows = fold.takeChanged().map((row) => ({ row, fold }));
      const parts = {
        client,
        clock: systemClock,
        random: seededRandom(1),
        aggregates: AGGREGATES,
        prefix,
        pipeline: 'web',
      };
      return () => new RollupWriter(parts).write(rows, new AbortController().signal);
    };
    const minutes = (lines: number, status: string): string =>
      JSON.stringify([0, 60_000, '/a', 200, lines, lines * 10, false, status, 0, lines]);

    // Partition 0 has 1, 2 and 3 lines after its epochs, partition 1 has 10, 20 and 30; the third epoch closes the window.
    test.each([
      ['neither knows all, in any order', [1, 3], [3, 1], minutes(33, 'open')],
      ['the one that knows less comes last', [3, 3], [1, 1], minutes(33, 'final')],
      ['the one that knows less comes first', [1, 2], [3, 3], minutes(33, 'final')],
      ['both know the same', [3, 3], [3, 3], minutes(33, 'final')],
      ['one has read one partition only', [2, 0], [0, 2], minutes(22, 'open')],
    ] as const)('%s', async (name, first, second, expected) => {
      const prefix = `row-${name.replaceAll(/[^a-z]/g, '')}`;
      await makeTemplates(prefix);
      for (const order of [
        [first, second],
        [second, first],
      ]) {
        const index = rollupIndex(prefix, 'traffic');
        await client.indices.delete({ index, ignore_unavailable: true });
        for (const read of order) expect(await writerAt(prefix, read)()).toBe(true);
        expect(await documents(prefix)).toEqual([expected]);
      }
    });
  });

  test('a row that another partition held open becomes final, though no snapshot has it any more', async () => {
    const prefix = 'held';
    await makeTemplates(prefix);
    const store = new MemoryStore({ clock: systemClock });
    const topic = 't.epochs.web.access';
    const chains: EpochChain[] = [];
    for (const partition of [0, 1, 2])
      chains.push(await EpochChain.begin(store.open(), { topic, partition, partitions: PARTITIONS }));
    const snapshot = { pipeline: PIPELINE, fingerprints: { traffic: 'a' } };
    const runToEnd = async (): Promise<void> => {
      const stop = new AbortController();
      const running = laneOf(store.open(), topic, prefix, client, 1).lane.run(stop.signal);
      await untilReported(store.open(), topic);
      stop.abort();
      await running;
    };
    await chains[1]!.append({ ...snapshot, sources: [sourceOf(1, 'reading')] });
    await chains[0]!.append({ ...snapshot, upserts: [rowsOf('traffic', [rowAt(3)])] });
    await chains[0]!.append({ ...snapshot, watermarkMs: 60_000 });
    await runToEnd();
    const held = [0, 60_000, '/a', 200, 3, 30, false, 'open', 0, 3];
    expect(await documents(prefix)).toEqual([JSON.stringify(held)]);
    await chains[1]!.append({ sources: [sourceOf(1, 'caught_up')] });
    await runToEnd();
    expect(await documents(prefix)).toEqual([JSON.stringify(held.with(7, 'final'))]);
  });
});

interface Lane {
  readonly lane: RollupLane;
  readonly events: readonly RollupWriterEvent[];
}

interface Document {
  readonly 'url.path': string | null;
  readonly 'http.response.status_code': number | null;
  readonly tailrace: {
    readonly window: { readonly start: string; readonly end: string };
    readonly measures: { readonly requests: number; readonly bytes: number | null };
    readonly overflow: boolean;
    readonly status: string;
    readonly revision: number;
    readonly lines: number;
  };
}

const rowAt = (lines: number): TestRow => ({
  startMs: 0,
  endMs: 60_000,
  key: ['/a', 200],
  accumulators: [lines * 10, lines],
  lines,
});

/** Epoch `n` of a partition that has n lines, or ten times as many. */
function epochOf(partition: number, n: number): IncomingEpoch {
  const body = bodyOf({
    upserts: [rowsOf('traffic', [rowAt(partition === 0 ? n : 10 * n)])],
    watermarkMs: n === 3 ? 60_000 : 0,
    sources: [sourceOf(partition, 'reading')],
    ...(n === 1 ? { pipeline: PIPELINE } : {}),
  });
  const envelope = {
    id: String(n),
    prev: '',
    task: { pipeline: 'web', stream: 'access', partition },
    n,
    from: n - 1,
    to: n,
    rawLog: 'raw',
    rawId: '',
    isSnapshot: n === 1,
    generation: 1,
    otherLines: {},
    possibleLossBytes: 0,
    possibleDoubleBytes: 0,
    part: 0,
    parts: 1,
  };
  return { from: { stream: 'access', topic: 't', partition }, epoch: { envelope, body }, nextOffset: n + 1 };
}

function sourceOf(partition: number, state: SourceMark['state']): SourceMark {
  return {
    source: `a/${partition + 1}`,
    identity: 'i',
    path: '/a.log',
    origin: 0,
    position: 1,
    tail: '',
    state,
    eventTimeMsMax: null,
    quietSinceMs: 0,
    gapEnd: null,
    agentSum: null,
    possibleLossBytes: 0,
    possibleDoubleBytes: 0,
  };
}

/** Resolves when the lane has reported the end of every partition. */
async function untilReported(log: Log, topic: string): Promise<void> {
  const ends = await log.ends(topic);
  const isThere = async (): Promise<boolean> => {
    const reports = (await log.reports(topic)).filter(({ group }) => group === GROUP);
    // A partition whose engine has written nothing has nothing to be read.
    return ends.every(
      ({ end }, partition) =>
        end <= 1 || reports.some((one) => one.partition === partition && one.cursor?.offset === end),
    );
  };
  while (!(await isThere())) await systemClock.sleep(5);
}

/** Epochs of three partitions, each from a small engine of its own, whose windows and keys meet. */
class World {
  readonly topic = 't.epochs.web.access';
  readonly store = new MemoryStore({ clock: systemClock });
  readonly #random: Random;
  readonly #models = Array.from({ length: PARTITIONS }, () => new WarehouseModel());
  readonly #chains: EpochChain[] = [];
  readonly #hasBegun = new Set<number>();

  private constructor(random: Random) {
    this.#random = random;
  }

  static async begin(random: Random): Promise<World> {
    const world = new World(random);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const at = { topic: world.topic, partition, partitions: PARTITIONS };
      world.#chains.push(await EpochChain.begin(world.store.open(), at));
    }
    return world;
  }

  /** One more epoch, of any partition. */
  async grow(): Promise<void> {
    const partition = this.#random.below(PARTITIONS);
    const isFirst = !this.#hasBegun.has(partition);
    this.#hasBegun.add(partition);
    const body = this.#models[partition]!.epoch({
      lines: Array.from({ length: this.#random.below(6) }, () => ({
        window: this.#random.below(3),
        key: this.#random.below(8),
        count: 1 + this.#random.below(4),
      })),
      windowsClosed: this.#random.chance(0.3) ? 1 : 0,
      isSnapshot: isFirst || this.#random.chance(0.15),
      lateLines: 0,
    });
    await this.#chains[partition]!.append({
      ...body,
      sources: [sourceOf(partition, this.#random.chance(0.6) ? 'reading' : 'caught_up')],
      ...(body.pipeline === undefined ? {} : { pipeline: PIPELINE }),
    });
    await systemClock.sleep(this.#random.below(40));
  }

  /** Every partition is read to its end: none holds the windows of another. */
  async end(): Promise<void> {
    for (const partition of this.#hasBegun) {
      const sources = [sourceOf(partition, 'caught_up')];
      const quiet = { lines: [], windowsClosed: 0, isSnapshot: false, lateLines: 0 };
      await this.#chains[partition]!.append({ ...this.#models[partition]!.epoch(quiet), sources });
    }
  }
}
