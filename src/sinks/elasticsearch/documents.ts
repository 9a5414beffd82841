import { assert } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import { isMutant } from '../../lib/mutant.ts';
import type { DeadLetter, Fate } from '../../epoch/epoch.ts';
import { keptOfDetail, keptOfLine, shownLine } from '../../epoch/dead-letter.ts';
import { type LineSum, addSum, emptySum } from '../../record/line-id.ts';
import { type SourceId, agentOf } from '../../record/source.ts';
import { DAY_MS } from '../../lib/utc-date.ts';
import { type Account, type Bulk, actionBegin } from './bulk.ts';
import type { BulkLanes } from './bulk-lanes.ts';
import type { Rejection } from './bulk-sender.ts';
import { sourcePart } from './document-id.ts';
import { type DocumentBatch, type DocumentField, DocumentWriter } from './document-writer.ts';
import { type IndexOptions, dayOf, deadLetterIndex, indexName } from './index-name.ts';
import { deadLetterDocument, lineOf, pathOf } from './refused-document.ts';

export interface DocumentsOptions {
  /** Under this name the ledger has what became of the lines. */
  readonly name: string;
  readonly index: IndexOptions;
  /** The batch's columns, in order. */
  readonly fields: readonly DocumentField[];
  /** Lines of days longer ago when they were read are not indexed; null: all are. */
  readonly retentionMs: number | null;
}

export interface DocumentsParts {
  readonly clock: Clock;
  readonly lanes: BulkLanes;
  readonly options: DocumentsOptions;
}

interface FateOutput {
  fate(consumer: string, fate: Fate, reason: string, lines: number, a: number, b: number): void;
}

interface LaterOutput {
  fateOf(source: SourceId, consumer: string, fate: Fate, reason: string, sum: Readonly<LineSum>): void;
  deadLetter(letter: DeadLetter): void;
}

/** Where the lines of one day go. */
interface Target {
  readonly account: Account | undefined;
  readonly action: Buffer;
}

interface Rejected {
  readonly letter: DeadLetter;
  readonly sum: LineSum;
}

/** A part of a bulk waits no longer than this for more. */
const LINGER_MS = 250;
/** Each checkpoint waits for what is in flight, and the server then waits for us: a few in a hundred of the throughput. */
const BUSY_INTERVAL_MS = 10_000;
/** How long a task that is to end waits for answers. The supervisor gives it three times as long. */
const STOP_MS = 3_000;

/**
 * The documents of one task: an operator that keeps no rows, and the outlet through which lines leave before the epoch that accounts for them.
 * Lines go into a bulk as they are decoded; full bulks go on their way while decoding goes on. Fates are known, and said, when all are settled.
 */
export class Documents {
  readonly name: string;
  readonly tables: readonly string[] = [];
  readonly busyIntervalMs = BUSY_INTERVAL_MS;
  readonly #parts: DocumentsParts;
  readonly #writer: DocumentWriter;
  /** What was sent since the last checkpoint, by source and index, less what was rejected. */
  readonly #accounts = new Map<string, Account>();
  #rejected: Rejected[] = [];
  #filling: Bulk | undefined;
  /** Bulks that are full and wait for a lane. */
  #waiting = 0;
  /** Bulks that are full and not settled. */
  #open = 0;
  #failure: unknown;
  #changed = Promise.withResolvers<void>();

  constructor(parts: DocumentsParts) {
    this.#parts = parts;
    this.name = parts.options.name;
    this.#writer = new DocumentWriter(parts.options.index.stream, parts.options.fields);
  }

  // The operator.

  process(admitted: DocumentBatch, out: FateOutput): void {
    const { batch, source, verdicts, hashA, hashB } = admitted;
    const { name } = this;
    this.#writer.beginBlock(admitted);
    const idBegin = Buffer.from(sourcePart(source), 'latin1');
    const targets = new Map<number, Target>();
    const filtered = emptySum();
    let day = Number.NaN;
    let target: Target | undefined;
    for (let line = 0; line < batch.length; line++) {
      const verdict = batch.verdict[line]!;
      if (verdict !== 0) {
        const { fate, reason } = verdicts[verdict]!;
        if (fate === 'dead_letter') this.#badLine(admitted, idBegin, line, reason);
        continue;
      }
      const lineDay = Math.floor(batch.eventTimeMs[line]! / DAY_MS);
      if (lineDay !== day) {
        day = lineDay;
        target = targets.get(day) ?? this.#target(admitted, day);
        targets.set(day, target);
      }
      const { account, action } = target!;
      const a = hashA[line]!;
      const b = hashB[line]!;
      const sum = account?.sum ?? filtered;
      sum.lines += 1;
      sum.a = (sum.a + a) >>> 0;
      sum.b = (sum.b + b) >>> 0;
      if (account === undefined) continue;
      const bulk = this.#bulk();
      bulk.beginItem(action, idBegin, batch.lineOffset[line]!);
      this.#writer.write(bulk.json, admitted, line);
      this.#end(bulk, account, a, b);
    }
    if (filtered.lines > 0) out.fate(name, 'filtered', 'retention', filtered.lines, filtered.a, filtered.b);
  }

  onWatermark(): boolean {
    return false;
  }

  lastTimerMs(): number {
    return -Infinity;
  }

  /** Rejected documents travel in the epoch. */
  changedBytes(): number {
    return this.#rejected.reduce((bytes, { letter }) => bytes + letter.bytes.length + letter.detail.length + 150, 0);
  }

  take(): void {
    return undefined;
  }

  restore(): void {
    // There are no rows.
  }

  takeFates(out: LaterOutput): void {
    assert(
      (this.#open === 0 && this.#filling === undefined) || isMutant('documents.cursor_before_bulk'),
      'fates are taken when every bulk is settled',
    );
    for (const { source, index, sum } of this.#accounts.values())
      if (sum.lines > 0) out.fateOf(source, this.name, 'indexed', index, sum);
    for (const { letter, sum } of this.#rejected) {
      out.fateOf(letter.source, this.name, 'dead_letter', letter.reason, sum);
      out.deadLetter(letter);
    }
    this.#accounts.clear();
    this.#rejected = [];
  }

  // The outlet.

  async room(signal: AbortSignal): Promise<boolean> {
    while (this.#waiting > 0 && !signal.aborted) await this.#change(signal);
    this.#throwFailure();
    return !signal.aborted;
  }

  poll(isAtEnd: boolean): void {
    if (this.#filling === undefined) return;
    if (isAtEnd || this.#parts.clock.monotonicMs() - this.#filling.sinceMs >= LINGER_MS) this.#seal();
  }

  async settle(signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#parts;
    this.#seal();
    let giveUpAtMs = Infinity;
    while (this.#open > 0 && this.#failure === undefined) {
      if (signal.aborted) giveUpAtMs = Math.min(giveUpAtMs, clock.monotonicMs() + STOP_MS);
      if (clock.monotonicMs() >= giveUpAtMs) return false;
      await this.#change(signal);
    }
    this.#throwFailure();
    return true;
  }

  #target({ source, readAtMs }: DocumentBatch, eventDay: number): Target {
    const { index, retentionMs } = this.#parts.options;
    const readDay = dayOf(readAtMs);
    if (retentionMs !== null && (readDay - eventDay) * DAY_MS > retentionMs)
      return { account: undefined, action: NOTHING };
    const name = indexName(index, eventDay, readDay);
    const key = `${source}\n${name}`;
    let account = this.#accounts.get(key);
    if (account === undefined) this.#accounts.set(key, (account = { source, index: name, sum: emptySum() }));
    return { account, action: actionBegin(name) };
  }

  /** The line has its fate; the document is for those who look for it. */
  #badLine(admitted: DocumentBatch, idBegin: Buffer, line: number, reason: string): void {
    const { batch, source, path, readAtMs, hashA, hashB } = admitted;
    const { prefix, stream } = this.#parts.options.index;
    const bytes = batch.lineBytes(line);
    const document = deadLetterDocument({
      message: shownLine(keptOfLine(bytes), bytes.length),
      reason,
      detail: admitted.detailOf(line) || reason.replaceAll('_', ' '),
      stream,
      readAt: new Date(readAtMs).toISOString(),
      agent: agentOf(source),
      path,
      offset: batch.lineOffset[line]!,
    });
    const bulk = this.#bulk();
    bulk.beginItem(actionBegin(deadLetterIndex(prefix, readAtMs)), idBegin, batch.lineOffset[line]!);
    bulk.json.raw(Buffer.from(document));
    this.#end(bulk, undefined, hashA[line]!, hashB[line]!);
  }

  #bulk(): Bulk {
    if (this.#filling === undefined) {
      this.#filling = this.#parts.lanes.take();
      this.#filling.sinceMs = this.#parts.clock.monotonicMs();
    }
    return this.#filling;
  }

  #end(bulk: Bulk, account: Account | undefined, a: number, b: number): void {
    bulk.endItem(account, a, b);
    if (bulk.isFull(this.#parts.lanes.bytesMax)) this.#seal();
  }

  #seal(): void {
    const bulk = this.#filling;
    if (bulk === undefined) return;
    this.#filling = undefined;
    this.#waiting++;
    this.#open++;
    void this.#send(bulk);
  }

  async #send(bulk: Bulk): Promise<void> {
    const { lanes } = this.#parts;
    try {
      const rejections = await lanes.run(bulk, () => {
        this.#waiting--;
        this.#wake();
      });
      for (const rejection of rejections) this.#takeBack(bulk, rejection);
      lanes.give(bulk);
    } catch (error) {
      this.#failure ??= error;
    }
    this.#open--;
    this.#wake();
  }

  /** A document that nobody takes was none. */
  #takeBack(bulk: Bulk, { item, json, reason }: Rejection): void {
    const account = bulk.accounts[item];
    // The document of a dead letter: its line has its fate.
    if (account === undefined) return;
    const sum = { lines: 1, a: bulk.hashA[item]!, b: bulk.hashB[item]! };
    addSum(account.sum, { lines: -1, a: -sum.a, b: -sum.b });
    const bytes = lineOf(json);
    const kept = keptOfLine(bytes);
    const letter = {
      source: account.source,
      offset: bulk.offsets[item]!,
      reason: 'rejected' as const,
      path: pathOf(json),
      detail: keptOfDetail(reason),
      bytes: kept,
      isCut: bytes.length > kept.length,
      lengthBytes: bytes.length,
    };
    this.#rejected.push({ letter, sum });
  }

  /** Resolves when a bulk has moved on, at the latest after a moment; at once when `signal` aborts. */
  async #change(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const isOver = new AbortController();
    const either = signal.aborted ? isOver.signal : AbortSignal.any([signal, isOver.signal]);
    await Promise.race([this.#changed.promise, clock.sleep(LINGER_MS, either)]);
    isOver.abort();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

const NOTHING = Buffer.alloc(0);
