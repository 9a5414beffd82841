// Hand-made epochs: a chain of them as an engine task would append it.
import type { Log } from '../../src/broker/broker.ts';
import { COMPONENTS } from '../../src/components.ts';
import { EPOCH_MESSAGE_BYTES_MAX, encodeEpoch } from '../../src/epoch/codec.ts';
import { tablesOf } from '../../src/config/tables.ts';
import type { Epoch, EpochBody } from '../../src/epoch/epoch.ts';
import type { Pipeline, RollupSpec } from '../../src/epoch/pipeline.ts';
import type { ColumnData, RowSet } from '../../src/epoch/table.ts';
import { restOf } from '../../src/lib/exact-integer.ts';
import { decodeGenesis } from '../../src/record/control.ts';

/** A row as a test writes it. */
export interface TestRow {
  readonly startMs: number;
  readonly endMs: number;
  readonly key: readonly (string | number | null)[];
  readonly accumulators: readonly number[];
  readonly lines: number;
  readonly revision?: number;
  readonly sumA?: number;
  readonly sumB?: number;
  readonly isOther?: boolean;
}

export const TRAFFIC: RollupSpec = {
  from: 'access',
  by: [
    { field: 'url.path', type: 'keyword', column: 'url_path' },
    { field: 'http.response.status_code', type: 'long', column: 'http_response_status_code' },
  ],
  window: { type: 'tumbling', sizeMs: 60_000, offsetMs: 0 },
  allowedLatenessMs: 0,
  rowsMax: 1_000_000,
  measures: [
    { name: 'requests', aggregate: 'count' },
    { name: 'bytes', aggregate: 'sum', field: 'http.response.body.bytes', fieldType: 'long' },
  ],
};

export function pipelineOf(rollups: Readonly<Record<string, RollupSpec>> = { traffic: TRAFFIC }): Pipeline {
  const eventTime = {
    field: '@timestamp',
    outOfOrdernessMs: 0,
    idleTimeoutMs: 30_000,
    maxFutureMs: 3_600_000,
    agentLostTimeoutMs: 3_600_000,
  };
  return {
    version: 1,
    name: 'web',
    streams: { access: { partitions: 1, codec: { type: 'combined' }, eventTime } },
    rollups,
    tables: tablesOf(rollups, COMPONENTS),
  };
}

export function rowsOf(rollup: string, rows: readonly TestRow[], spec: RollupSpec = TRAFFIC): RowSet {
  const numbers = (of: (row: TestRow) => number): ColumnData => ({
    kind: 'number',
    values: Float64Array.from(rows, of),
  });
  const words = (of: (row: TestRow) => number): ColumnData => ({ kind: 'word', values: Uint32Array.from(rows, of) });
  return {
    table: rollup,
    length: rows.length,
    columns: [
      numbers((row) => row.startMs),
      numbers((row) => row.endMs),
      words((row) => row.revision ?? 0),
      numbers((row) => row.lines),
      words((row) => row.sumA ?? 0),
      words((row) => row.sumB ?? 0),
      { kind: 'flag', values: Uint8Array.from(rows, (row) => (row.isOther === true ? 1 : 0)) },
      ...spec.by.map(({ type }, index) =>
        keyColumn(
          rows.map((row) => row.key[index] ?? null),
          type === 'keyword' || type === 'ip',
        ),
      ),
      ...Array.from({ length: widthOf(spec) }, (_, index) => numbers((row) => row.accumulators[index] ?? 0)),
    ],
  };
}

/** How many accumulators a row has; tests leave out those at the end that are 0. */
function widthOf({ measures }: RollupSpec): number {
  return measures.reduce(
    (sum, { aggregate, fieldType }) => sum + COMPONENTS.aggregates[aggregate]!.accumulators(fieldType).length,
    0,
  );
}

/** A whole number beyond 2^53 is written by its digits. */
function keyColumn(values: readonly (string | number | null)[], isString: boolean): ColumnData {
  if (!isString)
    return {
      kind: 'number',
      values: Float64Array.from(values, (value) => Number(value ?? Number.NaN)),
      ...(values.some((value) => typeof value === 'string')
        ? { rest: Float64Array.from(values, (value) => (typeof value === 'string' ? restOf(BigInt(value)) : 0)) }
        : {}),
    };
  const texts = values.map((value) => Buffer.from(String(value ?? '')));
  const offsets = new Uint32Array(values.length + 1);
  texts.forEach((text, index) => (offsets[index + 1] = offsets[index]! + text.length));
  return {
    kind: 'string',
    offsets,
    bytes: new Uint8Array(Buffer.concat(texts)),
    nulls: Uint8Array.from(values, (value) => (value === null ? 1 : 0)),
  };
}

export function bodyOf(body: Partial<EpochBody>): EpochBody {
  return {
    watermarkMs: -Infinity,
    logTimeMs: 0,
    lastAppendedAtMs: 0,
    agents: [],
    sources: [],
    ledger: [],
    upserts: [],
    removes: [],
    state: [],
    late: [],
    deadLetters: [],
    refusals: [],
    pipeline: null,
    fingerprints: {},
    rollupSinceMs: {},
    historyFrom: null,
    ...body,
  };
}

/** Appends a chain of epochs to one partition. */
export class EpochChain {
  readonly #log: Log;
  readonly topic: string;
  readonly partition: number;
  #prev = '';
  #n = 0;

  private constructor(log: Log, topic: string, partition: number) {
    this.#log = log;
    this.topic = topic;
    this.partition = partition;
  }

  static async begin(
    log: Log,
    { topic = 't.epochs.web.access', partition = 0, partitions = 1 } = {},
  ): Promise<EpochChain> {
    await log.ensureTopics([{ topic, partitions, messageBytesMax: EPOCH_MESSAGE_BYTES_MAX }]);
    const chain = new EpochChain(log, topic, partition);
    for await (const [first] of log.read(topic, partition, 0, { isFollowing: false })) {
      chain.#prev = decodeGenesis(first!.header).log;
      break;
    }
    return chain;
  }

  /** The next epoch of the chain, not appended. */
  make(body: Partial<EpochBody>, envelope: Partial<Epoch['envelope']> = {}): Epoch {
    const n = this.#n + 1;
    return {
      envelope: {
        id: `${n}`.padStart(32, 'a'),
        prev: this.#prev,
        task: { pipeline: 'web', stream: 'access', partition: this.partition },
        n,
        from: this.#n,
        to: n,
        rawLog: 'raw',
        rawId: '',
        isSnapshot: body.pipeline !== undefined && body.pipeline !== null,
        generation: 1,
        otherLines: {},
        possibleLossBytes: 0,
        possibleDoubleBytes: 0,
        part: 0,
        parts: 1,
        ...envelope,
      },
      body: bodyOf(body),
    };
  }

  /** Makes and appends the next epoch; returns its first offset. */
  async append(body: Partial<EpochBody>, envelope: Partial<Epoch['envelope']> = {}): Promise<number> {
    const epoch = this.make(body, envelope);
    const offset = await this.#log.append(this.topic, this.partition, encodeEpoch(epoch));
    this.#prev = epoch.envelope.id;
    this.#n = epoch.envelope.n;
    return offset;
  }
}
