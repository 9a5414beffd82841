import { assert } from '../lib/assert.ts';
import { restOf } from '../lib/exact-integer.ts';

/** Types of fields, named as Elasticsearch names them. `ip` and `keyword` are strings, `date` is milliseconds since 1970. */
export const FIELD_TYPES = ['keyword', 'ip', 'long', 'double', 'boolean', 'date'] as const;
export type FieldType = (typeof FIELD_TYPES)[number];

/** Names and types of fields, in order. */
export type Fields = Readonly<Record<string, FieldType>>;

export interface Field {
  readonly name: string;
  readonly type: FieldType;
}

export function isStringType(type: FieldType): boolean {
  return type === 'keyword' || type === 'ip';
}

/** What is decided of a line before any operator sees it: what becomes of it, and why. */
export interface Verdict {
  readonly fate: 'goes_on' | 'filtered' | 'dead_letter';
  readonly reason: string;
}

/** The verdicts that lines of any stream may get, by their byte. Those that its transforms give stand behind them. */
export const LINE_VERDICTS: readonly Verdict[] = [
  { fate: 'goes_on', reason: '' },
  /** The codec's grammar does not match. */
  { fate: 'dead_letter', reason: 'malformed' },
  /** The event-time field is missing, or is not a time. */
  { fate: 'dead_letter', reason: 'no_event_time' },
  /** More than `max_future` ahead of the moment the agent read it: it would poison the watermark. */
  { fate: 'dead_letter', reason: 'future' },
];
export const VERDICT_GOES_ON = 0;
export const VERDICT_MALFORMED = 1;
export const VERDICT_NO_EVENT_TIME = 2;
export const VERDICT_FUTURE = 3;

/**
 * A column of numbers, dates and booleans (0, 1). NaN is NULL. A number that is too large for its type is ±Infinity: it is there, and nobody
 * knows how large.
 */
export interface NumberColumn {
  readonly kind: 'number';
  values: Float64Array;
  /** What `values` lacks of whole numbers beyond 2^53 (lib/exact-integer.ts), NaN for an infinity of unknown sign; undefined in a batch without. */
  rest: Float64Array | undefined;
}

/**
 * A column of strings as slices of the block: `start` and `length` in bytes, a length below 0 is NULL. Where the text is not in the
 * block as it is (a JSON escape), `start` is −1 − position in the batch's `scratch`.
 */
export interface StringColumn {
  readonly kind: 'string';
  start: Int32Array;
  length: Int32Array;
}

export type Column = NumberColumn | StringColumn;

/**
 * What texts that are made may take of one batch: 500 times a whole block. Texts of codecs are no longer than the block, and need no bound.
 */
export const SCRATCH_BYTES_MAX = 256 * 1024 * 1024;

/**
 * The decoded lines of one block, by column, for the fields the pipeline uses. One batch per decoder is filled again and
 * again: whoever gets it may read it until its call returns, and keeps nothing of it.
 */
export class Batch {
  length = 0;
  /** The block's value; string columns are slices of it. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Unescaped strings that are not in the block byte for byte. */
  scratch: Uint8Array = new Uint8Array(0);
  scratchLength = 0;
  /** First byte of the line in `bytes`. */
  lineStart: Int32Array;
  /** One past the last byte of the line in `bytes`, without its newline and without a carriage return before it. */
  lineEnd: Int32Array;
  /** Offset of the line's first byte in its source. */
  lineOffset: Float64Array;
  /** NaN where there is none. */
  eventTimeMs: Float64Array;
  /** 0: the line goes on. Every other byte is a place in the stream's table of verdicts (transforms/stream-plan.ts). */
  verdict: Uint8Array;
  /** One column a field, in the order in which they are asked for. */
  readonly columns: readonly Column[];
  /** Those that a codec fills, in the order of its request; the others are made of them. */
  readonly decoded: readonly Column[];
  #capacity: number;

  /** `decoded`: the places of the columns that a codec fills. Default: all, in order. */
  constructor(fieldTypes: readonly FieldType[], capacity = 8192, decoded?: readonly number[]) {
    this.#capacity = capacity;
    this.lineStart = new Int32Array(capacity);
    this.lineEnd = new Int32Array(capacity);
    this.lineOffset = new Float64Array(capacity);
    this.eventTimeMs = new Float64Array(capacity);
    this.verdict = new Uint8Array(capacity);
    this.columns = fieldTypes.map((type) =>
      isStringType(type)
        ? { kind: 'string', start: new Int32Array(capacity), length: new Int32Array(capacity) }
        : { kind: 'number', values: new Float64Array(capacity), rest: undefined },
    );
    this.decoded = decoded?.map((place) => this.columns[place]!) ?? this.columns;
  }

  /** Empties the batch and makes room for `lines` lines of `bytes`. The arrays may be replaced: take them after this call. */
  reset(bytes: Uint8Array, lines: number): void {
    this.length = 0;
    this.bytes = bytes;
    this.scratchLength = 0;
    for (const column of this.columns) if (column.kind === 'number') column.rest = undefined;
    if (lines <= this.#capacity) return;
    const capacity = Math.max(lines, this.#capacity * 2);
    this.#capacity = capacity;
    this.lineStart = new Int32Array(capacity);
    this.lineEnd = new Int32Array(capacity);
    this.lineOffset = new Float64Array(capacity);
    this.eventTimeMs = new Float64Array(capacity);
    this.verdict = new Uint8Array(capacity);
    for (const column of this.columns) {
      if (column.kind === 'number') column.values = new Float64Array(capacity);
      else {
        column.start = new Int32Array(capacity);
        column.length = new Int32Array(capacity);
      }
    }
  }

  /** The bytes of a string cell, or undefined for NULL. For slow paths: late lines, tests, the interpreter. */
  stringBytes(column: StringColumn, row: number): Uint8Array | undefined {
    const length = column.length[row]!;
    if (length < 0) return undefined;
    const start = column.start[row]!;
    return start >= 0
      ? this.bytes.subarray(start, start + length)
      : this.scratch.subarray(-1 - start, -1 - start + length);
  }

  /** Copies text behind what is in `scratch` and gives its position there. May replace `scratch`. */
  appendScratch(text: Uint8Array): number {
    const at = this.scratchLength;
    this.reserveScratch(text.length);
    this.scratch.set(text, at);
    this.scratchLength = at + text.length;
    return at;
  }

  /** Whether so many more bytes of scratch are within what the lines of one block may take. */
  hasRoom(sizeBytes: number): boolean {
    return this.scratchLength + sizeBytes <= SCRATCH_BYTES_MAX;
  }

  /** Makes room for `sizeBytes` more bytes of scratch; what is there stays. */
  reserveScratch(sizeBytes: number): void {
    const needed = this.scratchLength + sizeBytes;
    assert(needed < 2 ** 31, 'places in the scratch are of 32 bits');
    if (needed <= this.scratch.length) return;
    const grown = new Uint8Array(Math.max(needed, this.scratch.length * 2, 4096));
    grown.set(this.scratch.subarray(0, this.scratchLength));
    this.scratch = grown;
  }

  /** Sets a whole number beyond 2^53. Rare: the lane is made when it is needed. */
  static setLarge(column: NumberColumn, row: number, exact: bigint): void {
    Batch.#setBoth(column, row, Number(exact), restOf(exact));
  }

  /** Sets what is beyond all numbers, nobody knows on which side. */
  static setUnknown(column: NumberColumn, row: number): void {
    Batch.#setBoth(column, row, Infinity, Number.NaN);
  }

  static #setBoth(column: NumberColumn, row: number, value: number, rest: number): void {
    column.values[row] = value;
    column.rest ??= new Float64Array(column.values.length);
    column.rest[row] = rest;
  }

  /** The bytes of a line without its newline. */
  lineBytes(row: number): Uint8Array {
    assert(row >= 0 && row < this.length, `row ${row} of ${this.length}`);
    return this.bytes.subarray(this.lineStart[row]!, this.lineEnd[row]!);
  }
}
