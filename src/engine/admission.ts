import {
  type Batch,
  LINE_VERDICTS,
  VERDICT_FUTURE,
  VERDICT_GOES_ON,
  VERDICT_NO_EVENT_TIME,
  type Verdict,
} from '../record/batch.ts';
import { HIGH_FACTOR_A, HIGH_FACTOR_B, type LineSum } from '../record/line-id.ts';
import type { SourceId } from '../record/source.ts';
import type { LineReader } from '../transforms/stream-plan.ts';
import { futureDetail, refusalDetail } from './line-detail.ts';
import type { AdmittedBatch } from '../operators/operator.ts';

export interface AdmitRequest {
  readonly source: SourceId;
  readonly path: string;
  readonly seeds: readonly [number, number];
  readonly readAtMs: number;
  readonly maxFutureMs: number;
  readonly outOfOrdernessMs: number;
  /** Watermark before the batch. */
  readonly watermarkMs: number;
  /** Largest event time of this source so far, −Infinity for none. */
  readonly eventTimeMsMax: number;
  /** Least event time among the other sources that hold the clock. */
  readonly leastOfOthersMs: number;
  /** The leap of this source that its former lines left unconfirmed. */
  readonly leap: Leap;
  /** Processing time: every line's event time is `readAtMs`. */
  readonly isReadTime: boolean;
}

/**
 * Lines in a row that are further ahead of their source's clock than disorder explains. One of them is a clock that is wrong; that many are a
 * pause in the log. Until so many have come, the clock stays, and they are judged among themselves.
 */
export interface Leap {
  readonly lines: number;
  /** Largest event time among them, −Infinity without any. */
  readonly maxMs: number;
}

export const NO_LEAP: Leap = { lines: 0, maxMs: -Infinity };

/** So many lines in a row confirm a leap: of a tenth of wrong stamps, in no order, one in 10⁸ does. */
const LEAP_LINES = 8;
/** A step up to this, or to the bound where that is larger, is believed of a single line: servers pause, and their clocks are set. */
const LEAP_MS_MIN = 60_000;

/** Lines and hash sums of a batch by verdict; index 0 holds the lines that go on. */
export interface VerdictSums {
  readonly lines: Float64Array;
  readonly a: Int32Array;
  readonly b: Int32Array;
}

/** So many lines of a batch are explained at most: who sees a thousand knows, and a log of another kind must not stand still. */
const EXPLAINED_MAX = 1_000;

/**
 * The pass over a decoded batch that finds out, line by line, what every operator needs: the watermark just before the line, its id's
 * hash, and the verdict on it. Whatever the blocks and batches are, a line is judged by the lines before it.
 */
export class Admission implements AdmittedBatch {
  readonly batch: Batch;
  source: SourceId = '';
  path = '';
  readAtMs = 0;
  watermarkBeforeMs = new Float64Array(8192);
  clockBeforeMs = this.watermarkBeforeMs;
  hashA = new Uint32Array(8192);
  hashB = new Uint32Array(8192);
  /** After `admit`: the watermark behind the batch. */
  watermarkMs = -Infinity;
  /** After `admit`: largest event time of the source that is believed, not beyond the moment of its reading. */
  eventTimeMsMax = -Infinity;
  /** After `admit`: what is not confirmed yet. */
  leap = NO_LEAP;
  readonly verdicts: readonly Verdict[];
  readonly sums: VerdictSums;
  /** As the reader of lines has it; whoever takes it empties it. */
  readonly lostValues: Map<string, number>;

  readonly #reader: Omit<LineReader, 'decode'>;
  #explained = 0;

  constructor(reader: Omit<LineReader, 'decode'>) {
    const { batch, verdicts, lostValues } = reader;
    this.batch = batch;
    this.verdicts = verdicts;
    this.lostValues = lostValues;
    this.sums = {
      lines: new Float64Array(verdicts.length),
      a: new Int32Array(verdicts.length),
      b: new Int32Array(verdicts.length),
    };
    this.#reader = reader;
  }

  admit(request: AdmitRequest): void {
    const { batch } = this;
    this.source = request.source;
    this.path = request.path;
    this.readAtMs = request.readAtMs;
    this.#explained = 0;
    if (batch.length > this.hashA.length) this.#widen(batch.length);
    if (request.isReadTime) batch.eventTimeMs.fill(request.readAtMs, 0, batch.length);
    this.#hash(request.seeds);
    this.#judge(request);
    // Behind the clock: a line moves it whatever a transform says of the line.
    this.#reader.transform(batch);
    this.#count();
  }

  /** What was decided of the lines that were admitted last, each verdict that one of them has. */
  get decided(): (Verdict & { readonly sum: LineSum })[] {
    const { lines, a, b } = this.sums;
    return this.verdicts.flatMap((verdict, v) =>
      lines[v] === 0 ? [] : [{ ...verdict, sum: { lines: lines[v]!, a: a[v]! >>> 0, b: b[v]! >>> 0 } }],
    );
  }

  detailOf(line: number): string {
    const { batch } = this;
    if (this.#explained++ >= EXPLAINED_MAX) return '';
    const verdict = batch.verdict[line]!;
    if (verdict === VERDICT_FUTURE) return futureDetail(batch.eventTimeMs[line]!, this.readAtMs);
    const isOfCodec = verdict < LINE_VERDICTS.length;
    const explanation = isOfCodec ? this.#reader.explain?.(batch.lineBytes(line)) : undefined;
    return explanation === undefined ? '' : refusalDetail(explanation);
  }

  /** Line-id hashes, the arithmetic of record/line-id.ts with the calls written out: once per line of everything. */
  #hash([seedA, seedB]: readonly [number, number]): void {
    const { lineOffset, length } = this.batch;
    const { hashA, hashB } = this;
    for (let i = 0; i < length; i++) {
      const offset = lineOffset[i]!;
      const high = (offset / 0x100000000) | 0;
      let a = (offset | 0) ^ seedA ^ Math.imul(high, HIGH_FACTOR_A);
      a = Math.imul(a ^ (a >>> 16), 0x85ebca6b);
      a = Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
      hashA[i] = a ^ (a >>> 16);
      let b = ((offset | 0) + seedB + Math.imul(high, HIGH_FACTOR_B)) | 0;
      b = Math.imul(b ^ (b >>> 16), 0x85ebca6b);
      b = Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
      hashB[i] = b ^ (b >>> 16);
    }
  }

  #judge(request: AdmitRequest): void {
    const { verdict, eventTimeMs, length } = this.batch;
    const { watermarkBeforeMs } = this;
    const ofLeaps: [line: number, clockMs: number][] = [];
    const { leastOfOthersMs, outOfOrdernessMs, readAtMs } = request;
    const latestMs = readAtMs + request.maxFutureMs;
    const leapMs = request.isReadTime ? Infinity : Math.max(outOfOrdernessMs, LEAP_MS_MIN);
    let watermarkMs = request.watermarkMs;
    let maxMs = request.eventTimeMsMax;
    let leapLines = request.leap.lines;
    let leapMaxMs = request.leap.maxMs;
    let limitMs = limitOf(maxMs, watermarkMs, outOfOrdernessMs, leapMs);
    for (let i = 0; i < length; i++) {
      watermarkBeforeMs[i] = watermarkMs;
      if (verdict[i] !== VERDICT_GOES_ON) continue;
      const timeMs = eventTimeMs[i]!;
      if (timeMs !== timeMs) {
        verdict[i] = VERDICT_NO_EVENT_TIME;
      } else if (timeMs > latestMs) {
        verdict[i] = VERDICT_FUTURE;
      } else if (timeMs > maxMs) {
        // A clock that is ahead of the agent's moves time no further than the agent's own.
        let seenMs = timeMs < readAtMs ? timeMs : readAtMs;
        if (timeMs > limitMs) {
          const leptMs = (leapMaxMs < leastOfOthersMs ? leapMaxMs : leastOfOthersMs) - outOfOrdernessMs - 1;
          if (leptMs > watermarkMs) {
            watermarkBeforeMs[i] = leptMs;
            ofLeaps.push([i, watermarkMs]);
          }
          if (seenMs > leapMaxMs) leapMaxMs = seenMs;
          if (++leapLines < LEAP_LINES) continue;
          seenMs = leapMaxMs;
        }
        leapLines = 0;
        leapMaxMs = -Infinity;
        if (seenMs > maxMs) {
          maxMs = seenMs;
          const nextMs = (seenMs < leastOfOthersMs ? seenMs : leastOfOthersMs) - outOfOrdernessMs - 1;
          if (nextMs > watermarkMs) watermarkMs = nextMs;
          const passedMs = watermarkMs + outOfOrdernessMs + 1;
          limitMs = (passedMs > maxMs ? passedMs : maxMs) + leapMs;
        }
      } else if (leapLines !== 0) {
        leapLines = 0;
        leapMaxMs = -Infinity;
      }
    }
    this.leap = leapLines === 0 ? NO_LEAP : { lines: leapLines, maxMs: leapMaxMs };
    this.watermarkMs = watermarkMs;
    this.eventTimeMsMax = maxMs;
    this.clockBeforeMs = ofLeaps.length === 0 ? watermarkBeforeMs : watermarkBeforeMs.slice();
    for (const [line, clockMs] of ofLeaps) this.clockBeforeMs[line] = clockMs;
  }

  #count(): void {
    const { verdict, length } = this.batch;
    const { hashA, hashB } = this;
    const { lines, a, b } = this.sums;
    lines.fill(0);
    a.fill(0);
    b.fill(0);
    for (let i = 0; i < length; i++) {
      const v = verdict[i]!;
      lines[v]! += 1;
      a[v]! += hashA[i]!;
      b[v]! += hashB[i]!;
    }
  }

  #widen(length: number): void {
    const capacity = Math.max(length, this.hashA.length * 2);
    this.watermarkBeforeMs = new Float64Array(capacity);
    this.hashA = new Uint32Array(capacity);
    this.hashB = new Uint32Array(capacity);
  }
}

/** What lies beyond is a leap. Before the first line of all there is nothing to compare with: it is believed. */
function limitOf(maxMs: number, watermarkMs: number, outOfOrdernessMs: number, leapMs: number): number {
  const clockMs = Math.max(maxMs, watermarkMs + outOfOrdernessMs + 1);
  return clockMs === -Infinity ? Infinity : clockMs + leapMs;
}
