import type { Aggregates } from '../../aggregates/aggregate.ts';
import { Backoff } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { OperatingError } from '../../lib/errors.ts';
import type { Random } from '../../lib/random.ts';
import type { FoldedRow } from '../row-fold.ts';
import type { StreamFold } from '../stream-fold.ts';
import { TOO_LARGE, busyError, isRefused, isStored, reasonsOf } from './bulk-answer.ts';
import {
  ANSWER_TOO_LONG,
  BULK,
  type BulkItem,
  DOCUMENTS,
  type StoredDocument,
  badAnswerError,
  checked,
} from './answer-shapes.ts';
import { type ElasticsearchClient, type ElasticsearchEvent, withElasticsearch } from './client.ts';
import { reasonOf } from './errors.ts';
import { joinStored, rowDocument, rowId } from './rollup-document.ts';
import { rollupIndex } from './templates.ts';

export type RollupWriterEvent =
  | ElasticsearchEvent
  /** Elasticsearch does not take this row, and never will: an index with another mapping. */
  | {
      readonly type: 'refused';
      /** So many rows until now; told at the first and then each time their number has doubled. */
      readonly count: number;
      readonly index: string;
      readonly id: string;
      readonly reason: string;
    };

export interface RollupWriterParts {
  readonly client: ElasticsearchClient;
  readonly clock: Clock;
  /** For the jitter of pauses. */
  readonly random: Random;
  readonly aggregates: Aggregates;
  readonly prefix: string;
  readonly pipeline: string;
  readonly notify?: (event: RollupWriterEvent) => void;
}

/** A bulk of rows: about a tenth of a second of work for a small server. */
const BULK_ROWS_MAX = 1000;
const BULK_BYTES_MAX = 5 * 1024 * 1024;
/** A busy or absent server is asked again after 0.5 s, then more and more rarely, up to 15 s: a restart takes it longer. */
const RETRY_PAUSE = { initialMs: 500, maxMs: 15_000, multiplier: 2 };

/** A row on its way, and the fold it is of. */
export interface OutgoingRow {
  readonly row: FoldedRow;
  readonly fold: StreamFold;
}

/** The document as it was when it was last written or read. */
interface Seen {
  readonly seqNo: number;
  readonly primaryTerm: number;
}

/**
 * Writes rows so that the documents only ever learn: each write names the version of the document it was made from, and where another
 * writer has been there meanwhile, the document is read and joined, partition by partition. With one writer nothing is ever read. An
 * external version that is a number for all partitions together could not do this: docs/decisions/0010-rollup-documents.md.
 */
export class RollupWriter {
  readonly #parts: RollupWriterParts;
  readonly #seen = new WeakMap<FoldedRow, Seen>();
  readonly #backoff = new Backoff(RETRY_PAUSE);
  #awaySinceMs: number | undefined;
  /** Of what was said last while it is away: a key that is refused after the network failed is news. */
  #toldCode: string | undefined;
  #refusedCount = 0;

  constructor(parts: RollupWriterParts) {
    this.#parts = parts;
  }

  /** Resolves to true when every row is stored, by this writer or by one that knows more; to false when the signal aborted. */
  async write(rows: readonly OutgoingRow[], signal: AbortSignal): Promise<boolean> {
    for (let at = 0; at < rows.length;) {
      const chunk: { readonly outgoing: OutgoingRow; readonly lines: string }[] = [];
      let sizeBytes = 0;
      for (; at < rows.length && chunk.length < BULK_ROWS_MAX && sizeBytes < BULK_BYTES_MAX; at++) {
        const lines = this.#actionLines(rows[at]!);
        sizeBytes += lines.length;
        chunk.push({ outgoing: rows[at]!, lines });
      }
      if (!(await this.#writeChunk(chunk, signal))) return false;
    }
    return true;
  }

  async #writeChunk(
    chunk: readonly { readonly outgoing: OutgoingRow; readonly lines: string }[],
    signal: AbortSignal,
  ): Promise<boolean> {
    let waiting = chunk;
    while (waiting.length > 0) {
      const items = await this.untilAnswered(signal, () =>
        this.#bulk(
          waiting.map(({ lines }) => lines),
          signal,
        ),
      );
      if (items === undefined) return false;
      const again: OutgoingRow[] = [];
      const conflicts: OutgoingRow[] = [];
      for (const [index, item] of items.entries()) {
        const { outgoing } = waiting[index]!;
        if (item.status === 200 || item.status === 201) this.#remember(outgoing.row, item);
        else if (item.status === 409) conflicts.push(outgoing);
        else if (isRefused(item.status, item.error)) this.#refused(outgoing.row, item);
        else again.push(outgoing);
      }
      const joined =
        conflicts.length === 0 ? [] : await this.untilAnswered(signal, () => this.#join(conflicts, signal));
      if (joined === undefined) return false;
      waiting = [...again, ...joined].map((outgoing) => ({ outgoing, lines: this.#actionLines(outgoing) }));
      if (again.length > 0 && !(await this.#pause(signal))) return false;
    }
    return true;
  }

  /** Reads documents that others have written; returns the rows that they do not hold yet. */
  async #join(conflicts: readonly OutgoingRow[], signal: AbortSignal): Promise<OutgoingRow[]> {
    const stored = await this.#stored(conflicts, signal);
    return conflicts.filter(({ row, fold }, index) => {
      const found = stored[index]!;
      if (found.found !== true || found._source?.tailrace === undefined) {
        this.#seen.delete(row);
        return true;
      }
      this.#remember(row, found);
      return joinStored(row, fold.statusOf(row), found._source.tailrace, (partition) => fold.logOf(partition));
    });
  }

  /** Documents hold sketches: an answer that is longer than the client takes is asked for in halves. */
  async #stored(rows: readonly OutgoingRow[], signal: AbortSignal): Promise<readonly StoredDocument[]> {
    const docs = rows.map(({ row }) => ({
      _index: this.#index(row),
      _id: this.#id(row),
      _source: ['tailrace.status', 'tailrace.cells', 'tailrace.parts'],
    }));
    try {
      const answer = await withElasticsearch(this.#parts.client, 'rollup documents', () =>
        this.#parts.client.transport.request({ method: 'POST', path: '/_mget', body: { docs } }, { signal }),
      );
      const stored = checked(DOCUMENTS, answer, 'rollup documents').docs;
      if (stored.length !== rows.length) throw cutAnswer();
      return stored;
    } catch (error) {
      if (!(error instanceof OperatingError && error.code === ANSWER_TOO_LONG) || rows.length === 1) throw error;
      const middle = Math.ceil(rows.length / 2);
      const first = await this.#stored(rows.slice(0, middle), signal);
      return [...first, ...(await this.#stored(rows.slice(middle), signal))];
    }
  }

  /** Fails when the server could take none of them now; a request that is too large for it is cut in halves. */
  async #bulk(lines: readonly string[], signal: AbortSignal): Promise<readonly BulkItem[]> {
    try {
      const items = await this.#ask(lines, signal);
      const isBusy = ({ status, error }: BulkItem): boolean => !isStored(status) && !isRefused(status, error);
      if (!items.every(isBusy)) return items;
      throw busyError('rollup documents', items[0]!.status, reasonsOf(items[0]!.error));
    } catch (error) {
      if (!(error instanceof OperatingError && error.code === 'ES_TOO_LARGE')) throw error;
      if (lines.length === 1) return [{ status: TOO_LARGE, error: { reason: error.message } }];
      const middle = Math.ceil(lines.length / 2);
      const first = await this.#bulk(lines.slice(0, middle), signal);
      return [...first, ...(await this.#bulk(lines.slice(middle), signal))];
    }
  }

  async #ask(lines: readonly string[], signal: AbortSignal): Promise<readonly BulkItem[]> {
    const { client } = this.#parts;
    const answer = await withElasticsearch(client, 'rollup documents', () =>
      client.transport.request({ method: 'POST', path: '/_bulk', bulkBody: lines.join('') }, { signal }),
    );
    const items = checked(BULK, answer, 'rollup documents').items.flatMap((item) => Object.values(item).slice(0, 1));
    if (items.length !== lines.length) throw cutAnswer();
    return items;
  }

  /**
   * Tries until it is answered, whatever stands in the way: a key that is refused for a while loses no row, and no other role may end for it.
   * Undefined when the signal aborted.
   */
  async untilAnswered<T>(signal: AbortSignal, request: () => Promise<T>): Promise<T | undefined> {
    const { clock, notify } = this.#parts;
    while (!signal.aborted) {
      try {
        const answer = await request();
        if (this.#awaySinceMs !== undefined) {
          notify?.({ type: 'back', awayMs: clock.monotonicMs() - this.#awaySinceMs });
          this.#awaySinceMs = undefined;
          this.#toldCode = undefined;
        }
        this.#backoff.reset();
        return answer;
      } catch (error) {
        if (signal.aborted) return undefined;
        if (!(error instanceof OperatingError)) throw error;
        this.#awaySinceMs ??= clock.monotonicMs();
        if (this.#toldCode !== error.code) notify?.({ type: 'away', error });
        this.#toldCode = error.code;
        await this.#pause(signal);
      }
    }
    return undefined;
  }

  async #pause(signal: AbortSignal): Promise<boolean> {
    const { clock, random } = this.#parts;
    await clock.sleep(this.#backoff.next() * (0.5 + random.next() / 2), signal);
    return !signal.aborted;
  }

  #actionLines({ row, fold }: OutgoingRow): string {
    const { pipeline, aggregates } = this.#parts;
    const target = { _index: this.#index(row), _id: this.#id(row) };
    const seen = this.#seen.get(row);
    const action =
      seen === undefined
        ? { create: target }
        : { index: { ...target, if_seq_no: seen.seqNo, if_primary_term: seen.primaryTerm } };
    const document = rowDocument(row, fold.statusOf(row), { pipeline, aggregates });
    return `${JSON.stringify(action)}\n${JSON.stringify(document)}\n`;
  }

  #remember(
    row: FoldedRow,
    { _seq_no: seqNo, _primary_term: primaryTerm }: Pick<BulkItem, '_seq_no' | '_primary_term'>,
  ): void {
    if (seqNo === undefined || primaryTerm === undefined) this.#seen.delete(row);
    else this.#seen.set(row, { seqNo, primaryTerm });
  }

  #refused(row: FoldedRow, item: BulkItem): void {
    const count = ++this.#refusedCount;
    if (!Number.isInteger(Math.log2(count))) return;
    const reason = reasonOf({ error: item.error });
    this.#parts.notify?.({ type: 'refused', count, index: this.#index(row), id: this.#id(row), reason });
  }

  #index({ schema }: FoldedRow): string {
    return rollupIndex(this.#parts.prefix, schema.table);
  }

  #id(row: FoldedRow): string {
    return rowId(this.#parts.pipeline, row);
  }
}

function cutAnswer(): OperatingError {
  return badAnswerError('rollup documents: the answer has not one item for each document');
}
