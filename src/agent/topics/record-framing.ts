import { afterBlanks, valueEnd } from '../../codecs/json-scan.ts';
import type { RecordCursor } from '../../broker/kafka/record-cursor.ts';
import type { TopicsOptions } from './topics-options.ts';

const NEWLINE = 10;
const BLANK = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export type FramingOptions = Pick<TopicsOptions, 'envelope' | 'isJson'> & {
  readonly topic: string;
  readonly partition: number;
  readonly lineBytesMax: number;
};

/**
 * Makes lines of records: the value as it is, or an envelope around it. Nothing is made for a record but its bytes in the block; a line
 * beyond the limit is cut there and said to be cut.
 */
export class RecordFraming {
  readonly #options: FramingOptions;
  readonly #envelope: Envelope | undefined;
  /** Of the last line. */
  isCut = false;
  hasNewline = false;
  /** Where the next newline of the unpacked batch is: one search serves the records up to there. */
  #newlineAt = -1;
  #searched: Buffer | undefined;

  constructor(options: FramingOptions) {
    this.#options = options;
    this.#envelope = options.envelope === 'json' ? new Envelope(options) : undefined;
  }

  /**
   * Writes the line of the record the cursor stands on to `into` at `at`, with its newline, if it ends by `limit`. Returns the line's
   * length without the newline, or −1 where there is no room.
   */
  write(cursor: RecordCursor, into: Buffer, at: number, limit: number): number {
    if (this.#envelope === undefined) return this.#writeValue(cursor, into, at, limit);
    const { bytes, length, isCut } = this.#envelope.wrap(cursor);
    if (at + length + 1 > limit) return -1;
    bytes.copy(into, at, 0, length);
    into[at + length] = NEWLINE;
    this.isCut = isCut;
    this.hasNewline = false;
    return length;
  }

  #writeValue(cursor: RecordCursor, into: Buffer, at: number, limit: number): number {
    const { bytes, valueStart } = cursor;
    const whole = Math.max(0, cursor.valueLength);
    const length = Math.min(whole, this.#options.lineBytesMax);
    if (at + length + 1 > limit) return -1;
    bytes.copy(into, at, valueStart, valueStart + length);
    into[at + length] = NEWLINE;
    this.isCut = length < whole;
    this.hasNewline = this.#nextNewline(bytes, valueStart) < valueStart + length;
    if (this.hasNewline && this.#options.isJson) {
      // Between the tokens of JSON a newline is as good as a blank, and inside of them there is none.
      blankNewlines(into, at, at + length);
      this.hasNewline = false;
    }
    return length;
  }

  #nextNewline(bytes: Buffer, from: number): number {
    if (bytes !== this.#searched || this.#newlineAt < from) {
      const found = bytes.indexOf(NEWLINE, from);
      this.#newlineAt = found < 0 ? Infinity : found;
      this.#searched = bytes;
    }
    return this.#newlineAt;
  }
}

/**
 * `{"key":…,"headers":{…},"topic":…,"partition":…,"offset":…,"timestamp":…,"timestamp_ms":…,"value":…}`. A value that is JSON stands there
 * as it is, any other as a string; keys and headers are strings.
 */
class Envelope {
  readonly #lineBytesMax: number;
  readonly #place: Buffer;
  /** A line, and what a last escape may take beyond the limit. */
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #length = 0;

  constructor({ topic, partition, lineBytesMax }: FramingOptions) {
    this.#lineBytesMax = lineBytesMax;
    this.#place = Buffer.from(`,"topic":${JSON.stringify(topic)},"partition":${partition},"offset":`);
    this.#bytes = Buffer.allocUnsafeSlow(lineBytesMax + 64);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
  }

  wrap(cursor: RecordCursor): { readonly bytes: Buffer; readonly length: number; readonly isCut: boolean } {
    const { bytes } = cursor;
    this.#length = 0;
    this.#text('{"key":');
    this.#string(bytes, cursor.keyStart, cursor.keyLength);
    if (cursor.headers > 0) this.#headers(cursor);
    this.#raw(this.#place, 0, this.#place.length);
    this.#text(`${cursor.offset}${timesOf(cursor.timestampMs)},"value":`);
    this.#value(bytes, cursor.valueStart, cursor.valueLength);
    this.#text('}');
    const isCut = this.#length > this.#lineBytesMax;
    return { bytes: this.#bytes, length: Math.min(this.#length, this.#lineBytesMax), isCut };
  }

  #headers(cursor: RecordCursor): void {
    this.#text(',"headers":{');
    let isFirst = true;
    cursor.eachHeader((nameStart, nameLength, valueStart, valueLength) => {
      if (!isFirst) this.#text(',');
      isFirst = false;
      this.#string(cursor.bytes, nameStart, nameLength);
      this.#text(':');
      this.#string(cursor.bytes, valueStart, valueLength);
    });
    this.#text('}');
  }

  #value(bytes: Buffer, start: number, length: number): void {
    const at = this.#length;
    // What reaches beyond the limit will be cut, and is JSON no more.
    if (length > 0 && at + length < this.#lineBytesMax) {
      bytes.copy(this.#bytes, at, start, start + length);
      const end = at + length;
      blankNewlines(this.#bytes, at, end);
      // The scan stops at the newline it finds behind the value.
      this.#bytes[end] = NEWLINE;
      const first = afterBlanks(this.#bytes, at);
      const last = valueEnd(this.#view, this.#bytes, first, end, 1);
      if (last >= 0 && last <= end && afterBlanks(this.#bytes, last) === end) {
        this.#length = end;
        return;
      }
    }
    this.#string(bytes, start, length);
  }

  /** A JSON string of bytes that may be anything: what is no UTF-8 stays as it is, as codecs keep it. */
  #string(bytes: Buffer, start: number, length: number): void {
    if (length < 0) return this.#text('null');
    this.#byte(QUOTE);
    const end = start + length;
    for (let at = start; at < end && this.#length <= this.#lineBytesMax; at++) {
      const byte = bytes[at]!;
      if (byte === QUOTE || byte === BACKSLASH) {
        this.#byte(BACKSLASH);
        this.#byte(byte);
      } else if (byte < BLANK) this.#text(`\\u00${byte.toString(16).padStart(2, '0')}`);
      else this.#byte(byte);
    }
    this.#byte(QUOTE);
  }

  #text(text: string): void {
    if (this.#length + text.length <= this.#bytes.length) this.#bytes.write(text, this.#length, 'latin1');
    this.#length += text.length;
  }

  #raw(bytes: Buffer, start: number, end: number): void {
    bytes.copy(this.#bytes, this.#length, start, end);
    this.#length += end - start;
  }

  #byte(byte: number): void {
    this.#bytes[this.#length++] = byte;
  }
}

function timesOf(timestampMs: number): string {
  // Beyond what a date can be, and for "no time", Kafka's −1.
  const iso = timestampMs >= 0 && timestampMs <= 8.64e15 ? `"${new Date(timestampMs).toISOString()}"` : 'null';
  return `,"timestamp":${iso},"timestamp_ms":${timestampMs}`;
}

function blankNewlines(bytes: Buffer, from: number, to: number): void {
  for (let at = from; at < to; at++) if (bytes[at] === NEWLINE) bytes[at] = BLANK;
}
