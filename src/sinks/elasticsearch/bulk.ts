import type { LineSum } from '../../record/line-id.ts';
import type { SourceId } from '../../record/source.ts';
import { OFFSET_CHARACTERS, SOURCE_CHARACTERS, writeOffsetPart } from './document-id.ts';
import { JsonWriter } from './json-writer.ts';

/** A request of this many documents is large enough for the server, and its answer small enough for us. */
export const BULK_COUNT_MAX = 5000;
/** A request is closed at this size: well below the 100 MB a server takes, and four of them are not a burden. */
export const BULK_BYTES_MAX = 5 * 1024 * 1024;

/** Lines of one source on their way into one index, since the last checkpoint. */
export interface Account {
  readonly source: SourceId;
  readonly index: string;
  readonly sum: LineSum;
}

/** Two lines of the request: what to do, and the document. */
export interface BulkItem {
  readonly id: string;
  readonly index: string;
  readonly bytes: Uint8Array;
}

const ACTION_END = Buffer.from('"}}\n');
const NEWLINE = 0x0a;

/** The begin of an action up to its id: `{"create":{"_index":"…","_id":"`. */
export function actionBegin(index: string): Buffer {
  // Names of indices are made of slugs, digits and dots.
  return Buffer.from(`{"create":{"_index":"${index}","_id":"`);
}

/** One request's worth of documents, as the bytes that are sent, with what must be known of each document when the answer is there. */
export class Bulk {
  readonly json: JsonWriter;
  count = 0;
  /** When its first document was written, on the clock that only grows. */
  sinceMs = 0;
  /** Where each item begins; behind the last, where it ends. */
  readonly starts = new Uint32Array(BULK_COUNT_MAX + 1);
  /** Where each item's id begins. */
  readonly idStarts = new Uint32Array(BULK_COUNT_MAX);
  readonly offsets = new Float64Array(BULK_COUNT_MAX);
  readonly hashA = new Uint32Array(BULK_COUNT_MAX);
  readonly hashB = new Uint32Array(BULK_COUNT_MAX);
  /** Undefined for the document of a dead letter, whose line has its fate already. */
  readonly accounts: (Account | undefined)[] = [];

  constructor(sizeBytes: number) {
    this.json = new JsonWriter(sizeBytes);
  }

  isFull(sizeBytesMax: number): boolean {
    return this.count >= BULK_COUNT_MAX || this.json.length >= sizeBytesMax;
  }

  /** Writes an action; the document follows, and then `endItem`. */
  beginItem(begin: Buffer, sourcePart: Buffer, offset: number): void {
    const { json } = this;
    json.raw(begin);
    json.raw(sourcePart);
    this.idStarts[this.count] = json.length - SOURCE_CHARACTERS;
    json.reserve(OFFSET_CHARACTERS);
    writeOffsetPart(json.bytes, json.length, offset);
    json.length += OFFSET_CHARACTERS;
    json.raw(ACTION_END);
    this.offsets[this.count] = offset;
  }

  endItem(account: Account | undefined, a: number, b: number): void {
    const { json } = this;
    json.reserve(1);
    json.bytes[json.length++] = NEWLINE;
    this.hashA[this.count] = a;
    this.hashB[this.count] = b;
    this.accounts[this.count] = account;
    this.starts[++this.count] = json.length;
  }

  /** All that is sent. */
  body(): Uint8Array {
    return this.json.bytes.subarray(0, this.json.length);
  }

  id(item: number): string {
    const start = this.idStarts[item]!;
    return this.json.bytes.toString('latin1', start, start + SOURCE_CHARACTERS + OFFSET_CHARACTERS);
  }

  itemBytes(item: number): Buffer {
    return this.json.bytes.subarray(this.starts[item], this.starts[item + 1]);
  }

  clear(): void {
    this.json.length = 0;
    this.count = 0;
    this.accounts.length = 0;
  }
}
