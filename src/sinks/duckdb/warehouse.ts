import { statSync } from 'node:fs';
import type { DuckDBInstance } from '@duckdb/node-api';
import type { Log } from '../../broker/broker.ts';
import { Bug } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import { OperatingError, describeError } from '../../lib/errors.ts';
import type { Sink } from '../sink.ts';
import { diskFullError, firstLine, isDiskFull, openDatabase } from './database.ts';
import type { EpochQueue } from '../epoch-queue.ts';
import { type EpochPartition, EpochReader, type IncomingEpoch, lastOfEach } from '../epoch-reader.ts';
import { readEpochs } from '../read-epochs.ts';
import type { RunningQuery } from './query-journal.ts';
import { ProcessWatch } from './query-watch.ts';
import type { Aggregates } from '../../aggregates/aggregate.ts';
import { SqlSocket } from './socket.ts';
import { SqlRunner } from './sql-runner.ts';
import { Store } from './store.ts';
import type { WatchLimits } from './watchdog.ts';
import { WriteFirst } from './write-first.ts';

export interface WarehouseOptions {
  readonly path: string;
  /** Where SQL is answered; undefined where another process does that. */
  readonly socketPath: string | undefined;
  /** Consumer group under which the cursor is reported. */
  readonly group: string;
  /** DuckDB's memory limit, such as `160MB`. */
  readonly memoryLimit: string;
  readonly threads: number;
  readonly queryLimits: WatchLimits;
  /** A write-ahead log that has grown past this is moved into the file. Default 16 MiB. */
  readonly checkpointWalBytes?: number;
  /** The epoch topics to fold; with a sink, those of its documents. */
  readonly topics: readonly {
    readonly stream: string;
    readonly topic: string;
    readonly partitions: number;
    readonly sink?: string;
  }[];
}

export type WarehouseEvent =
  | { readonly type: 'ready'; readonly path: string }
  | {
      readonly type: 'committed';
      readonly epochs: number;
      readonly rows: number;
      readonly sizeBytes: number;
      readonly tookMs: number;
    }
  | { readonly type: 'checkpointed'; readonly tookMs: number }
  | { readonly type: 'memory_short' }
  /** A query ran when the process before this one died. */
  | { readonly type: 'query_died'; readonly query: RunningQuery };

export interface WarehouseParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly aggregates: Aggregates;
  readonly options: WarehouseOptions;
  /** Told once a transaction; must not throw. */
  readonly notify?: (event: WarehouseEvent) => void;
}

const WORDS = { who: 'the warehouse', startOver: 'move the warehouse file away' };

/** Files that a failed warehouse left open: this process ends, and closing would write to them. */
const abandoned: DuckDBInstance[] = [];

/** One transaction folds what is waiting, up to so many bytes: well under a second of work, and the bound of what a crash repeats. */
const TRANSACTION_BYTES_MAX = 8 * 1024 * 1024;
/**
 * And so many epochs: DuckDB holds about 0.6 MiB for each until the commit (segments of 256 KiB a column, however few the rows), and some
 * hundred small ones would need more than its memory limit. Several partitions after a pause are that many.
 */
const TRANSACTION_EPOCHS_MAX = 64;
/** A small write-ahead log is replayed fast and within the memory limit (replay of a large one can need more than the limit). */
const CHECKPOINT_WAL_BYTES = 16 * 1024 * 1024;
/** Queries that overlap keep the file from being checkpointed; at so many times that size they have to make room. */
const CHECKPOINT_LATE = 4;
/**
 * Folds epochs into a DuckDB file, of which it is the only opener, and answers SQL on a socket. One transaction holds rows and cursor. An
 * error at a commit or checkpoint says nothing of whether it happened: then `run` throws without closing the file, the process ends, and
 * the next one reads the cursor.
 */
export class Warehouse implements Sink {
  readonly group: string;
  readonly #parts: WarehouseParts;
  #writeFirst: WriteFirst | undefined;

  constructor(parts: WarehouseParts) {
    this.#parts = parts;
    this.group = parts.options.group;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, options, notify } = this.#parts;
    const instance = await openDatabase(options).catch((error: unknown) => {
      throw asOperatingError(error, options.path);
    });
    const watch = new ProcessWatch({ databasePath: options.path, limits: options.queryLimits }, clock);
    const runner = new SqlRunner({ clock, instance, watch });
    const socket = options.socketPath === undefined ? undefined : new SqlSocket({ runner, path: options.socketPath });
    for (const query of watch.died) notify?.({ type: 'query_died', query });
    if (watch.died.length > 0) this.#writeFirst = new WriteFirst(clock, runner.hold());
    await socket?.listen();
    try {
      await this.#work(instance, runner, signal);
    } catch (error) {
      // Nor may the collector close it.
      abandoned.push(instance);
      throw error;
    } finally {
      await (socket ?? runner).close();
    }
    // Only after a quiet end: closing writes a checkpoint, which must not follow an error.
    instance.closeSync();
  }

  async #work(instance: DuckDBInstance, runner: SqlRunner, signal: AbortSignal): Promise<void> {
    const { log, aggregates, options, notify } = this.#parts;
    const connection = await instance.connect();
    const store = new Store(connection, aggregates);
    await store.load();
    const partitions = options.topics.flatMap(({ partitions: count, ...from }) =>
      Array.from({ length: count }, (_, partition): EpochPartition => ({ ...from, partition })),
    );
    const readers: EpochReader[] = [];
    let isBehind = false;
    for (const from of partitions) {
      const cursor = await store.cursor(from);
      const { end = 0 } = (await log.ends(from.topic))[from.partition] ?? {};
      isBehind ||= (cursor?.offset ?? 0) < end;
      readers.push(new EpochReader({ log, group: this.group, from, cursor, reader: WORDS }));
    }
    if (!isBehind) this.#writeFirst?.letIn();
    try {
      await readEpochs(readers, signal, (queue) => {
        notify?.({ type: 'ready', path: options.path });
        return this.#write(store, queue, runner);
      });
    } catch (error) {
      throw asOperatingError(error, options.path);
    }
    connection.closeSync();
  }

  async #write(store: Store, queue: EpochQueue<IncomingEpoch>, runner: SqlRunner): Promise<void> {
    const { clock, log, notify } = this.#parts;
    while (await queue.wait()) {
      const startedMs = clock.monotonicMs();
      const next = queue.peek()!.epoch;
      if (next.body.pipeline !== null && store.hasNewRollups(next.body)) {
        const { pipeline } = next.body;
        // It ends with a checkpoint that must not fail.
        await runner.withoutQueries(() => store.adopt(pipeline, next.body, next.envelope.generation));
      }
      const { epochs, sizeBytes } = takeSome(store, queue);
      await this.#fold(store, epochs, runner);
      this.#writeFirst?.wrote(queue.peek() === undefined);
      const rows = epochs.reduce(
        (sum, { epoch }) => sum + epoch.body.upserts.reduce((count, { length }) => count + length, 0),
        0,
      );
      notify?.({ type: 'committed', epochs: epochs.length, rows, sizeBytes, tookMs: clock.monotonicMs() - startedMs });
      for (const { from, nextOffset, epoch } of lastOfEach(epochs)) {
        await log.report(this.group, from.topic, from.partition, { offset: nextOffset, id: epoch.envelope.id });
      }
      await this.#checkpoint(store, runner);
    }
  }

  async #fold(store: Store, epochs: readonly IncomingEpoch[], runner: SqlRunner): Promise<void> {
    const { clock, notify } = this.#parts;
    try {
      await store.fold(epochs, clock.nowMs());
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      // Somebody's query has the memory, and nothing was committed: the query goes, the epochs are folded again.
      notify?.({ type: 'memory_short' });
      await runner.interrupt('memory');
      await store.rollBack();
      await store.fold(epochs, clock.nowMs());
    }
  }

  async #checkpoint(store: Store, runner: SqlRunner): Promise<void> {
    const { clock, options, notify } = this.#parts;
    const dueBytes = options.checkpointWalBytes ?? CHECKPOINT_WAL_BYTES;
    const bytes = walBytes(options.path);
    if (bytes <= dueBytes) return;
    const startedMs = clock.monotonicMs();
    let isDone = await store.checkpoint();
    if (!isDone && bytes > CHECKPOINT_LATE * dueBytes) isDone = await runner.withoutQueries(() => store.checkpoint());
    if (isDone) notify?.({ type: 'checkpointed', tookMs: clock.monotonicMs() - startedMs });
  }
}

/** The epochs of the next transaction. One whose pipeline needs new tables begins another. */
function takeSome(store: Store, queue: EpochQueue<IncomingEpoch>): { epochs: IncomingEpoch[]; sizeBytes: number } {
  const epochs: IncomingEpoch[] = [];
  let sizeBytes = 0;
  for (let next = queue.peek(); next !== undefined && sizeBytes < TRANSACTION_BYTES_MAX; next = queue.peek()) {
    if (epochs.length === TRANSACTION_EPOCHS_MAX) break;
    if (epochs.length > 0 && store.hasNewRollups(next.epoch.body)) break;
    const taken = queue.take()!;
    epochs.push(taken.item);
    sizeBytes += taken.sizeBytes;
  }
  return { epochs, sizeBytes };
}

function walBytes(path: string): number {
  return statSync(`${path}.wal`, { throwIfNoEntry: false })?.size ?? 0;
}

function isOutOfMemory(error: unknown): boolean {
  return /Out of Memory Error/i.test(describeError(error));
}

function asOperatingError(error: unknown, path: string): unknown {
  if (error instanceof OperatingError || error instanceof Bug) return error;
  if (isDiskFull(error)) return diskFullError(path, error);
  return new OperatingError(`the warehouse stopped: ${firstLine(describeError(error))}`, {
    code: 'WAREHOUSE_UNKNOWN',
    hint: 'the process ends without closing the file; the next one goes on from the cursor in it',
    cause: error,
  });
}
