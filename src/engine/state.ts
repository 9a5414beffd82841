import type { Message } from '../broker/broker.ts';
import { keptOfLine } from '../epoch/dead-letter.ts';
import type { DeadLetter, EpochBody, EpochEnvelope, Fate, LateLine, Refusal } from '../epoch/epoch.ts';
import type { EventTimeSpec, Pipeline, TaskId } from '../epoch/pipeline.ts';
import type { RowSet } from '../epoch/table.ts';
import { assert } from '../lib/assert.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { hash64 } from '../lib/hash.ts';
import { isMutant } from '../lib/mutant.ts';
import type { LaterOutput, Operator, OperatorOutput, OtherKey } from '../operators/operator.ts';
import { VERDICT_GOES_ON } from '../record/batch.ts';
import { type Beat, decodeBeat, isLastPart } from '../record/beat.ts';
import { type BlockHeader, decodeBlockHeader } from '../record/block.ts';
import { type Control, decodeControl } from '../record/control.ts';
import { type LineSum, addSum, emptySum } from '../record/line-id.ts';
import { type SourceId, agentOf, lineHashSeeds, sourceId } from '../record/source.ts';
import type { LineReader } from '../transforms/stream-plan.ts';
import { Admission, NO_LEAP } from './admission.ts';
import { linesFrom } from './block-lines.ts';
import { DraftedTables } from './drafted-tables.ts';
import { Ledger } from './ledger.ts';
import { Marks, type OpenMark } from './marks.ts';
import { LostValues } from './lost-values.ts';
import { OtherLines } from './other-lines.ts';
import type { TableFeed } from './table-feed.ts';
import type { Outlet } from './task-kind.ts';
import { Watermark } from './watermark.ts';

/** An epoch is closed early when what changed is about this large. */
export const EPOCH_BYTES_MAX = 4 * 1024 * 1024;

export interface TaskStateOptions {
  readonly task: TaskId;
  readonly eventTime: EventTimeSpec;
  /** Those that read the stream. */
  readonly operators: readonly Operator[];
  /** Those that read tables. */
  readonly feeds: readonly TableFeed[];
  readonly outlet?: Outlet | undefined;
  readonly reader: LineReader;
  readonly rawLog: string;
  readonly pipeline: Pipeline;
  /** Of the pipeline's rollups; `restore` adds those of removed ones. */
  readonly fingerprints: Readonly<Record<string, string>>;
  /** Whether lines that do not decode are listed, or only accounted for. */
  readonly listsBadLines: boolean;
}

/**
 * Everything a task knows, as a function of the raw log: `accept` takes the messages in order, `takeEpoch` gives what changed,
 * `restore` takes counted epochs back in. Synchronous, no I/O, no clock: time is in the log.
 */
export class TaskState implements OperatorOutput, LaterOutput {
  readonly #options: TaskStateOptions;
  /** Every operator, and by how much its clock is behind that of the partition. */
  readonly #operators: readonly { readonly operator: Operator; readonly behindMs: number }[];
  readonly marks = new Marks();
  readonly ledger = new Ledger();
  readonly #watermark: Watermark;
  readonly #admission: Admission;
  readonly #seeds = new Map<SourceId, readonly [number, number]>();
  #late: LateLine[] = [];
  #deadLetters: DeadLetter[] = [];
  #refusals: Refusal[] = [];
  #pendingBytes = 0;
  #hasFired = false;
  /** The next raw offset to accept. */
  to = 0;
  /** Hash of the header of raw message `to` − 1. */
  rawId = '';
  generation = 1;
  rollupSinceMs: Record<string, number> = {};
  readonly otherLines: OtherLines;
  readonly #lostValues: LostValues;
  fingerprints: Readonly<Record<string, string>>;
  /** Rows of tables that the pipeline before this one had: in the snapshot that switches. */
  readonly left: RowSet[] = [];

  constructor(options: TaskStateOptions) {
    this.#options = options;
    this.#operators = [
      ...options.operators.map((operator) => ({ operator, behindMs: 0 })),
      ...options.feeds.flatMap(({ readers, latenessMs }) =>
        readers.map((operator) => ({ operator, behindMs: latenessMs })),
      ),
    ];
    this.fingerprints = options.fingerprints;
    const names = this.#operators.map(({ operator }) => operator.name);
    this.otherLines = new OtherLines(names.filter((name) => Object.hasOwn(options.pipeline.rollups, name)));
    this.#lostValues = new LostValues(options.pipeline.rollups);
    this.#watermark = new Watermark(options.eventTime, this.marks);
    this.#admission = new Admission(options.reader);
  }

  get outlet(): Outlet | undefined {
    return this.#options.outlet;
  }

  get watermarkMs(): number {
    return this.#watermark.watermarkMs;
  }

  get lastAppendedAtMs(): number {
    return this.#watermark.lastAppendedAtMs;
  }

  /** Largest event time so far, as far as it is still known, −Infinity before the first: where a rollup that is added now begins. */
  get eventTimeMsMax(): number {
    // The source that had it may be forgotten, and the watermark has passed it then.
    let max = this.watermarkMs;
    for (const mark of this.marks.sources.values()) {
      max = Math.max(max, mark.eventTimeMsMax ?? -Infinity, mark.leap?.maxMs ?? -Infinity);
    }
    return max;
  }

  /** A line got its fate, or a window closed. */
  get hasFates(): boolean {
    return this.#hasFired || this.ledger.hasChanges;
  }

  /** Something other than positions changed: a row, a fate, a source's state, a timer. */
  get hasDecisions(): boolean {
    return this.hasFates || this.marks.hasSourceChanges || this.#refusals.length > 0;
  }

  /** About how large an epoch would be now. */
  get changedBytes(): number {
    return this.#operators.reduce((sum, { operator }) => sum + operator.changedBytes(), this.#pendingBytes);
  }

  /** Takes the next raw message. A message that does not count changes nothing but positions and refusals. */
  accept(message: Message): void {
    assert(message.offset >= this.to, `raw message ${message.offset} after ${this.to} was accepted`);
    if (message.offset > this.to) this.#refuse('hole', this.to, '', 0, 0);
    this.to = message.offset + 1;
    this.rawId = hash64(message.header);
    this.#watermark.onMessage(message.appendedAtMs);
    if (message.damaged !== undefined) return this.#refuse('damaged', message.offset, '', 0, 0);
    const { kind } = message;
    if (kind === 'block') this.#decoded(message, decodeBlockHeader, (header) => this.#block(message, header));
    else if (kind === 'beat') this.#decoded(message, decodeBeat, (beat) => this.#beat(message, beat));
    else if (kind === 'control') this.#decoded(message, decodeControl, (control) => this.#control(control));
  }

  /** What changed since the last call, as the body of an epoch; with `isSnapshot`, the whole state. */
  takeBody(isSnapshot: boolean): EpochBody {
    for (const { operator } of this.#operators) operator.takeFates?.(this);
    const changes = this.marks.takeChanges();
    const ledger = this.ledger.take(isSnapshot);
    const whole = isSnapshot ? this.marks.all() : undefined;
    const body: EpochBody = {
      watermarkMs: this.#watermark.watermarkMs,
      logTimeMs: this.#watermark.logTimeMs,
      lastAppendedAtMs: this.#watermark.lastAppendedAtMs,
      agents: whole?.agents ?? changes.agents,
      // A source forgotten in this interval is not in the whole any more, but must be said once.
      sources:
        whole === undefined
          ? changes.sources
          : [...changes.sources.filter((mark) => mark.state === 'forgotten'), ...whole.sources],
      ledger,
      ...this.#takeTables(isSnapshot).tables,
      late: this.#late,
      deadLetters: this.#deadLetters,
      refusals: this.#refusals,
      pipeline: isSnapshot ? this.#options.pipeline : null,
      fingerprints: this.fingerprints,
      rollupSinceMs: this.rollupSinceMs,
      historyFrom: this.marks.historyFrom,
    };
    this.#late = [];
    this.#deadLetters = [];
    this.#refusals = [];
    this.#pendingBytes = 0;
    this.#hasFired = false;
    return body;
  }

  /** Takes a counted epoch back in: every epoch since a snapshot, in order, makes the state its writer had. */
  restore(envelope: EpochEnvelope, body: EpochBody): void {
    if (envelope.rawLog !== this.#options.rawLog) {
      throw new OperatingError(`the raw log is ${this.#options.rawLog}, the epochs were made from ${envelope.rawLog}`, {
        code: 'LOG_FORKED',
        exitCode: EXIT.mismatch,
        hint: 'restore the log these epochs belong to, or begin again in another data_dir',
      });
    }
    this.to = envelope.to;
    this.rawId = envelope.rawId;
    this.generation = envelope.generation;
    this.otherLines.restore(envelope);
    this.#watermark.watermarkMs = body.watermarkMs;
    this.#watermark.logTimeMs = body.logTimeMs;
    this.#watermark.lastAppendedAtMs = body.lastAppendedAtMs;
    this.marks.historyFrom = body.historyFrom;
    this.marks.restore(body.sources, body.agents);
    this.ledger.restore(body.ledger);
    this.rollupSinceMs = { ...body.rollupSinceMs };
    this.fingerprints = { ...body.fingerprints, ...this.#options.fingerprints };
    for (const { operator, behindMs } of this.#operators) {
      const isIts = ({ table }: RowSet): boolean => operator.tables.includes(table);
      const state = body.state.find((one) => one.operator === operator.name);
      operator.restore(body.upserts.filter(isIts), body.removes.filter(isIts), state);
      operator.onWatermark(body.watermarkMs - behindMs);
    }
    // What was final by then went to its readers in the interval of that epoch.
    for (const feed of this.#options.feeds) feed.discard();
  }

  /** The rows of what is open in tables that the next pipeline does not have, where they are not in epochs already. Nothing else follows. */
  close(next: Pipeline): readonly RowSet[] {
    const draft = new DraftedTables();
    for (const { operator } of this.#operators)
      if (!Object.hasOwn(next.rollups, operator.name)) operator.close?.(draft);
    return draft.upserts;
  }

  #takeTables(isSnapshot: boolean): DraftedTables {
    const draft = new DraftedTables();
    for (const { operator } of this.#operators) operator.take(isSnapshot, draft);
    draft.upserts.push(...this.left.splice(0));
    return draft;
  }

  late(line: LateLine): void {
    this.#late.push(line);
    this.#pendingBytes += 100;
  }

  fate(consumer: string, fate: Fate, reason: string, lines: number, a: number, b: number): void {
    this.ledger.add(this.#admission.source, consumer, fate, reason, { lines, a, b });
  }

  others(consumer: string, lines: number, first: OtherKey): void {
    this.otherLines.add(consumer, lines, first);
  }

  fateOf(source: SourceId, consumer: string, fate: Fate, reason: string, sum: Readonly<LineSum>): void {
    this.ledger.add(this.#accountable(source), consumer, fate, reason, sum);
  }

  deadLetter(letter: DeadLetter): void {
    this.#deadLetters.push(letter);
    this.#pendingBytes += letter.bytes.length + letter.detail.length + 150;
  }

  /** A header that cannot be read is damage outside of us, and counts for nothing; whatever happens after it was read is our own doing. */
  #decoded<T>(message: Message, decode: (header: Uint8Array) => T, then: (decoded: T) => void): void {
    let decoded: T;
    try {
      decoded = decode(message.header);
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error;
      return this.#refuse('damaged', message.offset, '', 0, 0);
    }
    then(decoded);
  }

  #block(message: Message, header: BlockHeader): void {
    const verdict = this.marks.judge(header);
    if (verdict.type === 'refused')
      return this.#refuse(verdict.reason, message.offset, header.source, header.start, header.end);
    if (verdict.type === 'counts') this.#decide(message, header, verdict.mark, verdict.from);
  }

  /** Decodes the new lines of a block that counts, and gives each its fate. */
  #decide(message: Message, header: BlockHeader, mark: OpenMark, from: number): void {
    const { reader, eventTime, operators } = this.#options;
    const admission = this.#admission;
    try {
      reader.decode(linesFrom(header, message.value, from), admission.batch);
    } catch (error) {
      // The value does not hold the lines its header says: damage that a checksum over both did not see.
      if (!(error instanceof RangeError)) throw error;
      return this.#refuse('damaged', message.offset, header.source, header.start, header.end);
    }
    const leastOfOthersMs = this.#watermark.leastOfOthers(mark);
    admission.admit({
      source: header.source,
      path: mark.path,
      seeds: this.#seedsOf(header.source),
      readAtMs: header.readAtMs,
      maxFutureMs: eventTime.maxFutureMs,
      outOfOrdernessMs: eventTime.outOfOrdernessMs,
      watermarkMs: this.#watermark.watermarkMs,
      eventTimeMsMax: mark.eventTimeMsMax ?? -Infinity,
      leastOfOthersMs,
      leap: mark.leap ?? NO_LEAP,
      isReadTime: eventTime.field === 'read_at',
    });
    this.#account();
    for (const operator of operators) operator.process(admission, this);
    this.#watermark.watermarkMs = admission.watermarkMs;
    this.marks.advance(mark, header, admission);
    const { clockBeforeMs, batch } = admission;
    this.#advance(batch.length === 0 ? Float64Array.of(this.watermarkMs) : clockBeforeMs.subarray(0, batch.length));
  }

  /** Lines in, and those that have their fate already, for every consumer. */
  #account(): void {
    const { batch, source, verdicts, lostValues, decided } = this.#admission;
    const all = emptySum();
    for (const { sum } of decided) addSum(all, sum);
    for (const { name } of this.#options.operators) {
      this.ledger.add(source, name, 'in', '', all);
      for (const { fate, reason, sum } of decided)
        if (fate !== 'goes_on') this.ledger.add(source, name, fate, reason, sum);
    }
    this.#lostValues.add(this.ledger, source, this.#options.operators, lostValues);
    if (!this.#options.listsBadLines || !decided.some(({ fate }) => fate === 'dead_letter')) return;
    for (let line = 0; line < batch.length; line++) {
      const verdict = batch.verdict[line]!;
      if (verdict === VERDICT_GOES_ON) continue;
      const { fate, reason } = verdicts[verdict]!;
      if (fate === 'dead_letter') this.#badLine(line, reason);
    }
  }

  #badLine(line: number, reason: string): void {
    const { batch, source, path } = this.#admission;
    const bytes = batch.lineBytes(line);
    const kept = keptOfLine(bytes);
    this.deadLetter({
      source,
      offset: batch.lineOffset[line]!,
      reason,
      path,
      detail: this.#admission.detailOf(line),
      bytes: kept,
      isCut: bytes.length > kept.length,
      lengthBytes: bytes.length,
    });
  }

  #beat(message: Message, beat: Beat): void {
    if (beat.log !== this.#options.rawLog) {
      throw new OperatingError(`agent ${beat.agent} writes for log ${beat.log}, this log is ${this.#options.rawLog}`, {
        code: 'LOG_FORKED',
        exitCode: EXIT.mismatch,
        hint: 'give the agent a data_dir of its own for each log',
      });
    }
    for (const source of this.marks.beat(beat, message.offset, this.#watermark.logTimeMs)) {
      this.ledger.forget(source);
      this.#seeds.delete(source);
    }
    // Between the parts of a beat not every source of the round has been announced: time moves behind the last.
    if (isLastPart(beat)) this.#moveTime();
  }

  #control(control: Control): void {
    const bytes = this.marks.declareLoss(control);
    // A declared loss has no lines one could count: its size in bytes stands in their place.
    if (bytes === 0) return;
    for (const { name } of this.#options.operators)
      this.ledger.add(control.source, name, 'declared_loss', 'bytes', { lines: bytes, a: 0, b: 0 });
    // The gap held the clock; after an agent's last beat nothing else would move it.
    this.#moveTime();
  }

  /** Looks at all sources again, after something other than lines has changed what holds the clock. */
  #moveTime(): void {
    const { feeds } = this.#options;
    for (;;) {
      const before = Float64Array.of(this.watermarkMs);
      const last = this.#operators.map(({ operator, behindMs }) => operator.lastTimerMs() + behindMs);
      const hasMoved = this.#watermark.advance(Math.max(-Infinity, ...last));
      this.#advance(before);
      // The rows that became final have set timers that lie further.
      if (!hasMoved || feeds.length === 0 || isMutant('chain.no_fixpoint')) return;
    }
  }

  /** Fires what is due. `before` is what the watermark was just before each line, or the beat, that moved it. */
  #advance(beforeMs: Float64Array): void {
    const { operators, feeds } = this.#options;
    const move = { beforeMs, watermarkMs: this.watermarkMs };
    for (const operator of operators) if (operator.onWatermark(move.watermarkMs)) this.#hasFired = true;
    for (const feed of feeds)
      if (feed.advance(move, this.ledger, this.otherLines, this.#lostValues)) this.#hasFired = true;
  }

  #refuse(reason: Refusal['reason'], rawOffset: number, source: SourceId | '', start: number, end: number): void {
    this.#refusals.push({ rawOffset, source, reason, start, end });
    this.#pendingBytes += 100;
  }

  /** A source may be forgotten before the fates of its last lines are known: its agent's total has its accounts then. */
  #accountable(source: SourceId): SourceId {
    return this.marks.sources.has(source) ? source : sourceId(agentOf(source), 0);
  }

  #seedsOf(source: SourceId): readonly [number, number] {
    let seeds = this.#seeds.get(source);
    if (seeds === undefined) this.#seeds.set(source, (seeds = lineHashSeeds(source)));
    return seeds;
  }
}
