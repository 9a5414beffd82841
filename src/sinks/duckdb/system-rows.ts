import { type DuckDBAppender, type DuckDBConnection, DuckDBTimestampTZValue, LIST, VARCHAR } from '@duckdb/node-api';
import type {
  AgentMark,
  DeadLetter,
  EpochBody,
  LateLine,
  LedgerEntry,
  Refusal,
  SourceMark,
} from '../../epoch/epoch.ts';
import { shownLine } from '../../epoch/dead-letter.ts';
import { escapeText } from '../../lib/escape.ts';
import { SYSTEM_TABLES, type SystemTable } from './schema.ts';

/** Whose state a row is. */
export interface Partition {
  readonly stream: string;
  readonly partition: number;
}

/** Whose state a row is, where several writers have rows of one partition: a condition in SQL over the table `t`. */
interface Scope extends Partition {
  readonly scope: string;
}

const TEXTS = LIST(VARCHAR);

/** Writes rows of the system tables, a row at a time: there are few. */
export class SystemRows {
  readonly #connection: DuckDBConnection;

  constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  /** Replaces the ledger's totals of the sources and consumers given; all of the partition's when `isWhole`. */
  async ledger(of: Partition, entries: readonly LedgerEntry[], isWhole: boolean): Promise<void> {
    // A partition's rollups are one writer's, and each document sink is another one.
    await this.#ledger({ ...of, scope: `NOT starts_with(t.consumer, 'documents.')` }, entries, isWhole);
  }

  /** What an epoch of a document sink says: where it stands in its sources, its fates, and what the store would not take. */
  async documents(of: Partition, sink: string, body: EpochBody, isWhole: boolean): Promise<void> {
    const named = `'${sink.replaceAll("'", "''")}'`;
    await this.#ledger({ ...of, scope: `t.consumer = 'documents.' || ${named}` }, body.ledger, isWhole);
    await this.#documentSources({ ...of, scope: `t.sink = ${named}` }, sink, body.sources, isWhole);
    await this.deadLetters(of, body.deadLetters, `rejected by ${sink}`);
  }

  async #ledger(of: Scope, entries: readonly LedgerEntry[], isWhole: boolean): Promise<void> {
    await this.#replace('ledger', ['source', 'consumer', 'fate', 'reason'], of, entries, isWhole, (row, entry) => {
      row.appendVarchar(entry.source);
      row.appendVarchar(entry.consumer);
      row.appendVarchar(entry.fate);
      row.appendVarchar(entry.reason);
      row.appendBigInt(BigInt(entry.sum.lines));
      row.appendUInteger(entry.sum.a);
      row.appendUInteger(entry.sum.b);
    });
  }

  /** Replaces what is known of the sources given; forgotten ones leave. */
  async sources(of: Partition, marks: readonly SourceMark[], isWhole: boolean): Promise<void> {
    const forgotten = marks.filter((mark) => mark.state === 'forgotten').map((mark) => mark.source);
    for (const source of forgotten) {
      const where = 'stream = $1 AND partition = $2 AND source = $3';
      await this.#connection.run(`DELETE FROM tailrace.sources WHERE ${where}`, [of.stream, of.partition, source]);
    }
    const kept = marks.filter((mark) => mark.state !== 'forgotten');
    await this.#replace('sources', ['source'], of, kept, isWhole, (row, mark) => {
      row.appendVarchar(mark.source);
      row.appendVarchar(mark.identity);
      row.appendVarchar(mark.path);
      appendCount(row, mark.origin);
      appendCount(row, mark.position);
      row.appendVarchar(mark.tail);
      row.appendVarchar(mark.state);
      appendTime(row, mark.eventTimeMsMax);
      appendTime(row, mark.quietSinceMs);
      appendCount(row, mark.gapEnd);
      appendAgentSum(row, mark);
      appendCount(row, mark.possibleLossBytes);
      appendCount(row, mark.possibleDoubleBytes);
    });
  }

  async #documentSources(of: Scope, sink: string, marks: readonly SourceMark[], isWhole: boolean): Promise<void> {
    const gone = marks.filter((mark) => mark.state === 'forgotten').map((mark) => mark.source);
    for (const source of gone) {
      const where = 'stream = $1 AND partition = $2 AND sink = $3 AND source = $4';
      const values = [of.stream, of.partition, sink, source];
      await this.#connection.run(`DELETE FROM tailrace.document_sources WHERE ${where}`, values);
    }
    const kept = marks.filter((mark) => mark.state !== 'forgotten');
    await this.#replace('document_sources', ['sink', 'source'], of, kept, isWhole, (row, mark) => {
      row.appendVarchar(sink);
      row.appendVarchar(mark.source);
      row.appendVarchar(mark.identity);
      row.appendVarchar(mark.path);
      appendCount(row, mark.origin);
      appendCount(row, mark.position);
      row.appendVarchar(mark.state);
      appendCount(row, mark.gapEnd);
      appendAgentSum(row, mark);
      appendCount(row, mark.possibleLossBytes);
      appendCount(row, mark.possibleDoubleBytes);
    });
  }

  async agents(of: Partition, marks: readonly AgentMark[], isWhole: boolean): Promise<void> {
    await this.#replace('agents', ['agent'], of, marks, isWhole, (row, mark) => {
      row.appendVarchar(mark.agent);
      appendCount(row, mark.numberMax);
      appendTime(row, mark.tMs);
      appendTime(row, mark.logTimeMs);
      row.appendBoolean(mark.hasEnded);
      appendCount(row, mark.fullBeatOffset);
    });
  }

  async late(lines: readonly LateLine[]): Promise<void> {
    await this.#append('late', 'tailrace', lines, (row, line) => {
      row.appendVarchar(line.source);
      appendCount(row, line.offset);
      appendTime(row, line.eventTimeMs);
      row.appendVarchar(line.rollup);
      appendTime(row, line.windowStartMs);
      appendTime(row, line.windowEndMs);
      appendTime(row, line.watermarkMs);
      row.appendList(line.key, TEXTS);
      row.appendBoolean(line.isPart !== true);
    });
  }

  async deadLetters({ stream }: Partition, letters: readonly DeadLetter[], reason?: string): Promise<void> {
    await this.#append('dead_letters', 'tailrace', letters, (row, letter) => {
      row.appendVarchar(letter.path);
      appendCount(row, letter.offset);
      row.appendVarchar(reason ?? letter.reason);
      row.appendVarchar(escapeText(letter.detail));
      row.appendVarchar(shownLine(letter.bytes, letter.lengthBytes));
      row.appendBlob(letter.bytes);
      row.appendBoolean(letter.isCut);
      appendCount(row, letter.lengthBytes);
      row.appendVarchar(letter.source);
      row.appendVarchar(stream);
    });
  }

  async refusals({ stream, partition }: Partition, refusals: readonly Refusal[]): Promise<void> {
    await this.#append('refusals', 'tailrace', refusals, (row, refusal) => {
      row.appendVarchar(stream);
      row.appendInteger(partition);
      appendCount(row, refusal.rawOffset);
      row.appendVarchar(refusal.source);
      row.appendVarchar(refusal.reason);
      appendCount(row, refusal.start);
      appendCount(row, refusal.end);
    });
  }

  /** Deletes the partition's rows of the same keys (all of the partition's when `isWhole`) and inserts the new ones. */
  async #replace<T>(
    table: SystemTable,
    keys: readonly string[],
    { stream, partition, scope }: Partial<Scope> & Partition,
    items: readonly T[],
    isWhole: boolean,
    append: (row: DuckDBAppender, item: T) => void,
  ): Promise<void> {
    const ofPartition = 't.stream = $1 AND t.partition = $2';
    if (isWhole) {
      const where = scope === undefined ? ofPartition : `${ofPartition} AND ${scope}`;
      await this.#connection.run(`DELETE FROM tailrace.${table} AS t WHERE ${where}`, [stream, partition]);
    }
    if (items.length === 0) return;
    const stage = `stage_of_${table}`;
    await this.#connection.run(`CREATE OR REPLACE TEMP TABLE ${stage} (${SYSTEM_TABLES[table]})`);
    await this.#append(stage, 'temp', items, (row, item) => {
      row.appendVarchar(stream);
      row.appendInteger(partition);
      append(row, item);
    });
    if (!isWhole) {
      const isSame = keys.map((key) => `t.${key} = s.${key}`).join(' AND ');
      const using = `DELETE FROM tailrace.${table} AS t USING temp.${stage} AS s`;
      await this.#connection.run(`${using} WHERE ${ofPartition} AND ${isSame}`, [stream, partition]);
    }
    // The accounts of a forgotten source come once more, empty: they are in its agent's total now.
    const kept = table === 'ledger' ? ' WHERE lines > 0' : '';
    await this.#connection.run(`INSERT INTO tailrace.${table} SELECT * FROM temp.${stage}${kept}`);
  }

  async #append<T>(
    table: string,
    place: 'tailrace' | 'temp',
    items: readonly T[],
    append: (row: DuckDBAppender, item: T) => void,
  ): Promise<void> {
    if (items.length === 0) return;
    const appender =
      place === 'temp'
        ? await this.#connection.createAppender(table, null, 'temp')
        : await this.#connection.createAppender(table, place);
    for (const item of items) {
      append(appender, item);
      appender.endRow();
    }
    appender.flushSync();
    appender.closeSync();
  }
}

function appendCount(row: DuckDBAppender, value: number | null): void {
  if (value === null) row.appendNull();
  else row.appendBigInt(BigInt(value));
}

function appendAgentSum(row: DuckDBAppender, { agentSum }: SourceMark): void {
  appendCount(row, agentSum?.lines ?? null);
  if (agentSum === null) {
    row.appendNull();
    row.appendNull();
  } else {
    row.appendUInteger(agentSum.a);
    row.appendUInteger(agentSum.b);
  }
}

function appendTime(row: DuckDBAppender, timeMs: number | null): void {
  if (timeMs === null || !Number.isFinite(timeMs)) row.appendNull();
  else row.appendTimestampTZ(new DuckDBTimestampTZValue(BigInt(Math.round(timeMs * 1000))));
}
