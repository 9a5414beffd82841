import { type DuckDBConnection, DuckDBTimestampTZValue } from '@duckdb/node-api';
import type { EpochBody } from '../../epoch/epoch.ts';
import type { Pipeline } from '../../epoch/pipeline.ts';
import type { RowSchema } from '../../epoch/table.ts';
import { present } from '../../lib/assert.ts';
import { EXIT, OperatingError, describeError } from '../../lib/errors.ts';
import { faultPoint } from '../../lib/fault-point.ts';
import { isMutant } from '../../lib/mutant.ts';
import { type EpochPartition, type IncomingEpoch, type StoredCursor, lastOfEach } from '../epoch-reader.ts';
import { textCell } from './names.ts';
import { RollupTables } from './rollup-tables.ts';
import type { Aggregates } from '../../aggregates/aggregate.ts';
import { SystemRows } from './system-rows.ts';

interface KnownRollup {
  readonly stream: string;
  readonly fingerprint: string;
  isCurrent: boolean;
  readonly tables: RollupTables;
}

/**
 * The warehouse's tables and its one writing connection. What an epoch says and the cursor behind it are one transaction: a crash
 * anywhere leaves both or neither.
 */
export class Store {
  readonly #connection: DuckDBConnection;
  readonly #aggregates: Aggregates;
  readonly #system: SystemRows;
  readonly #rollups = new Map<string, KnownRollup>();
  #generation = 0;

  constructor(connection: DuckDBConnection, aggregates: Aggregates) {
    this.#connection = connection;
    this.#aggregates = aggregates;
    this.#system = new SystemRows(connection);
  }

  /** Learns from the file which rollups it has. */
  async load(): Promise<void> {
    const reader = await this.#connection.runAndReadAll(
      'SELECT rollup, stream, generation, is_current, fingerprint, definition FROM tailrace.rollups',
    );
    this.#rollups.clear();
    for (const [rollup, stream, generation, isCurrent, fingerprint, definition] of reader.getRowsJS()) {
      const schema = JSON.parse(textCell(definition)) as RowSchema;
      const tables = new RollupTables(schema, this.#aggregates);
      this.#rollups.set(textCell(rollup), {
        stream: textCell(stream),
        fingerprint: textCell(fingerprint),
        isCurrent: isCurrent === true,
        tables,
      });
      this.#generation = Math.max(this.#generation, Number(generation));
    }
  }

  async cursor({ topic, partition }: EpochPartition): Promise<StoredCursor | undefined> {
    const reader = await this.#connection.runAndReadAll(
      'SELECT "offset", id, n, raw_to FROM tailrace.cursors WHERE topic = $1 AND partition = $2',
      [topic, partition],
    );
    const row = reader.getRowsJS()[0];
    if (row === undefined) return undefined;
    return { offset: Number(row[0]), id: textCell(row[1]), n: Number(row[2]), to: Number(row[3]) };
  }

  /** Whether the epoch's pipeline has a rollup without tables: `adopt` must come before its transaction. */
  hasNewRollups(body: EpochBody): boolean {
    return body.pipeline !== null && Object.keys(body.pipeline.tables).some((name) => !this.#rollups.has(name));
  }

  /**
   * Makes the tables of a pipeline's new rollups, in a transaction of their own that is in the file proper before any row comes:
   * replaying table definitions from the write-ahead log is where DuckDB failed most.
   */
  async adopt(pipeline: Pipeline, body: EpochBody, generation: number): Promise<void> {
    await this.#connection.run('BEGIN');
    // A view may be a query over a hidden table.
    const hiddenFirst = Object.entries(pipeline.tables).toSorted(
      ([, left], [, right]) => Number(left.isVisible) - Number(right.isVisible),
    );
    for (const [name, schema] of hiddenFirst) {
      if (this.#rollups.has(name)) continue;
      const tables = new RollupTables(schema, this.#aggregates);
      const { partitions } = present(pipeline.streams[schema.stream], `the stream of ${name}`);
      for (const sql of tables.createSql(partitions)) await this.#connection.run(sql);
      // A hidden table is its rollup's, and changes with that alone.
      const stated = schema.isVisible
        ? present(body.fingerprints[name], `a snapshot states the fingerprint of ${name}`)
        : '';
      const values = [name, schema.stream, generation, true, schema.isVisible, stated, JSON.stringify(schema)];
      await this.#connection.run('INSERT INTO tailrace.rollups VALUES ($1, $2, $3, $4, $5, $6, $7)', values);
    }
    await this.#connection.run('COMMIT');
    await this.#connection.run('CHECKPOINT');
    await this.load();
  }

  /** One transaction: every epoch's rows, and the cursors behind them. */
  async fold(epochs: readonly IncomingEpoch[], nowMs: number): Promise<void> {
    await this.#connection.run('BEGIN');
    for (const incoming of epochs) await this.#apply(incoming);
    faultPoint('warehouse.folded');
    if (isMutant('warehouse.cursor_apart')) await this.#connection.run('COMMIT; BEGIN');
    for (const incoming of lastOfEach(epochs))
      await this.#writeCursor(incoming, firstOf(epochs, incoming.from).epoch.envelope.n, nowMs);
    faultPoint('warehouse.before_commit');
    await this.#connection.run('COMMIT');
    faultPoint('warehouse.after_commit');
  }

  async rollBack(): Promise<void> {
    await this.#connection.run('ROLLBACK');
    await this.load();
  }

  /** Moves the write-ahead log into the file; false when a query that reads an older state is in the way. */
  async checkpoint(): Promise<boolean> {
    faultPoint('warehouse.checkpoint');
    try {
      await this.#connection.run('CHECKPOINT');
      return true;
    } catch (error) {
      if (/there are other (write )?transactions/i.test(describeError(error))) return false;
      throw error;
    }
  }

  async #apply({ from, epoch }: IncomingEpoch): Promise<void> {
    const { envelope, body } = epoch;
    const { isSnapshot } = envelope;
    if (from.sink !== undefined) return this.#system.documents(from, from.sink, body, isSnapshot);
    await this.#system.sources(from, body.sources, isSnapshot);
    await this.#system.agents(from, body.agents, isSnapshot);
    await this.#system.ledger(from, body.ledger, isSnapshot);
    await this.#system.late(body.late);
    await this.#system.deadLetters(from, body.deadLetters);
    await this.#system.refusals(from, body.refusals);
    if (body.pipeline !== null) await this.#switchTo(body.pipeline, body, from, envelope.generation);
    const upserts = new Map(body.upserts.map((rows) => [rows.table, rows]));
    const removes = new Map(body.removes.map((rows) => [rows.table, rows]));
    for (const [name, known] of this.#rollups) {
      if (known.stream !== from.stream) continue;
      await known.tables.apply(this.#connection, {
        partition: from.partition,
        upserts: upserts.get(name),
        removes: removes.get(name),
        watermarkMs: body.watermarkMs,
        isSnapshot,
      });
    }
    const unknown = [...new Set([...upserts.keys(), ...removes.keys()])].filter((name) => !this.#rollups.has(name));
    // A snapshot that switches may hold the last rows of a table that this warehouse, which begins with it, never had.
    if (unknown.length > 0 && body.pipeline === null) {
      throw new OperatingError(
        `${from.topic}/${from.partition}: epoch ${envelope.n} has rows of ${unknown.join(', ')}, which no snapshot defined`,
        {
          code: 'WAREHOUSE_UNKNOWN_ROLLUP',
        },
      );
    }
  }

  async #switchTo(pipeline: Pipeline, body: EpochBody, from: EpochPartition, generation: number): Promise<void> {
    for (const [name, known] of this.#rollups) {
      const stated = body.fingerprints[name];
      if (stated !== undefined && stated !== known.fingerprint) throw changedRollup(name);
      if (known.stream !== from.stream) continue;
      const isCurrent = Object.hasOwn(pipeline.tables, name);
      if (!isCurrent) await known.tables.close(this.#connection, from.partition);
      if (isCurrent === known.isCurrent || generation < this.#generation) continue;
      known.isCurrent = isCurrent;
      const values = [isCurrent, generation, name];
      await this.#connection.run(
        'UPDATE tailrace.rollups SET is_current = $1, generation = $2 WHERE rollup = $3',
        values,
      );
    }
    this.#generation = Math.max(this.#generation, generation);
  }

  async #writeCursor({ from, epoch, nextOffset }: IncomingEpoch, newFirstN: number, nowMs: number): Promise<void> {
    const { envelope, body } = epoch;
    const found = await this.#connection.runAndReadAll(
      'DELETE FROM tailrace.cursors WHERE topic = $1 AND partition = $2 RETURNING first_n, history_from',
      [from.topic, from.partition],
    );
    const [firstN, historyFrom] = found.getRowsJS()[0] ?? [null, null];
    await this.#connection.run(
      'INSERT INTO tailrace.cursors VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)',
      [
        from.topic,
        from.partition,
        from.stream,
        nextOffset,
        envelope.id,
        envelope.n,
        envelope.to,
        envelope.rawLog,
        timestamp(body.watermarkMs),
        envelope.generation,
        Number(firstN ?? newFirstN),
        historyFrom === null ? body.historyFrom : Number(historyFrom),
        timestamp(nowMs),
      ],
    );
  }
}

function firstOf(epochs: readonly IncomingEpoch[], { topic, partition }: EpochPartition): IncomingEpoch {
  return present(
    epochs.find(({ from }) => from.topic === topic && from.partition === partition),
    'the last epoch of a partition is among them',
  );
}

function timestamp(timeMs: number): DuckDBTimestampTZValue | null {
  return Number.isFinite(timeMs) ? new DuckDBTimestampTZValue(BigInt(Math.round(timeMs * 1000))) : null;
}

function changedRollup(name: string): OperatingError {
  return new OperatingError(`rollup ${name} in the warehouse was made from another definition`, {
    code: 'WAREHOUSE_ROLLUP_CHANGED',
    // A restart would not help.
    exitCode: EXIT.config,
    hint: 'give the changed rollup another name',
  });
}
