import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Log } from '../../../src/broker/broker.ts';
import type { SourceMark } from '../../../src/epoch/epoch.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { type ElasticsearchClient, openElasticsearch } from '../../../src/sinks/elasticsearch/client.ts';
import { putTemplate } from '../../../src/sinks/elasticsearch/provision.ts';
import { RollupLane } from '../../../src/sinks/elasticsearch/rollup-lane.ts';
import type { RollupWriterEvent } from '../../../src/sinks/elasticsearch/rollup-writer.ts';
import { rollupIndex, templatesOf } from '../../../src/sinks/elasticsearch/templates.ts';
import { EpochChain, pipelineOf } from '../../support/epochs.ts';
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
    const options = { prefix, shards: 1, replicas: 0, pipeline: PIPELINE, documents: {}, rollups: ['traffic'] };
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
        group: 'web.search.rollups',
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
      await world.waitForReports('web.search.rollups');
      stop.abort();
      await running;
      const harness = new WarehouseHarness();
      try {
        await world.store.open().forget('web.search.rollups');
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
      sources: [this.#source(partition, this.#random.chance(0.6) ? 'reading' : 'caught_up')],
      ...(body.pipeline === undefined ? {} : { pipeline: PIPELINE }),
    });
    await systemClock.sleep(this.#random.below(40));
  }

  /** Every partition is read to its end: none holds the windows of another. */
  async end(): Promise<void> {
    for (const partition of this.#hasBegun) {
      const sources = [this.#source(partition, 'caught_up')];
      const quiet = { lines: [], windowsClosed: 0, isSnapshot: false, lateLines: 0 };
      await this.#chains[partition]!.append({ ...this.#models[partition]!.epoch(quiet), sources });
    }
  }

  async waitForReports(group: string): Promise<void> {
    const log = this.store.open();
    const ends = await log.ends(this.topic);
    const isThere = async (): Promise<boolean> => {
      const reports = (await log.reports(this.topic)).filter((report) => report.group === group);
      // A partition whose engine has written nothing has nothing to be read.
      return ends.every(
        ({ end }, partition) =>
          end <= 1 || reports.some((one) => one.partition === partition && one.cursor?.offset === end),
      );
    };
    while (!(await isThere())) await systemClock.sleep(5);
  }

  /** Its only source holds the partition's windows open, now and then. */
  #source(partition: number, state: SourceMark['state']): SourceMark {
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
    };
  }
}
