/**
 * Kafka's record batch, version 2 (kafka.apache.org/documentation/#recordbatch), read here because kafkajs reads every batch of an answer at
 * once, makes objects of every record, and does not look at checksums. `record-cursor.ts` goes over
 * the records of one, `batch-encoder.ts` writes them.
 */
import { crc32c } from './crc32c.ts';

export interface KafkaRecord {
  /** Null where there is none. */
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** Names and values, in the order of the record; a name may come twice. */
  readonly headers: ReadonlyArray<readonly [name: string, value: Uint8Array | null]>;
}

export interface StoredRecord extends KafkaRecord {
  readonly offset: number;
  /** The broker's clock where the topic says LogAppendTime, else the producer's. Milliseconds. */
  readonly timestampMs: number;
}

/** Base offset (8 bytes) and length (4): what stands before the bytes the length counts. */
const OVERHEAD_BYTES = 12;
/** Where the records begin. */
export const BATCH_HEAD_BYTES = 61;
/** Of the formats before, which are named where they are met: with the byte that says which it is. */
const MESSAGE_BYTES_MIN = 17;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const MAGIC = 2;

const CODEC_BITS = 0x07;
const LOG_APPEND_TIME_BIT = 0x08;
const TRANSACTIONAL_BIT = 0x10;
const CONTROL_BIT = 0x20;

/** A record batch as it stands in an answer: its head, of which {@link checkBatch} says whether it is true, and its records, perhaps packed. */
export interface RecordBatch {
  readonly baseOffset: number;
  /** One past the last offset it covers; records of its own may lack there. */
  readonly nextOffset: number;
  /** Holds a marker of a transaction's end and no records. */
  readonly isControl: boolean;
  readonly isTransactional: boolean;
  readonly producerId: number;
  readonly codec: number;
  readonly count: number;
  readonly baseTimestampMs: number;
  /** Of all its records, where the broker's clock counts and not the producers'. */
  readonly appendedAtMs: number | undefined;
  /** All of it, head and records. */
  readonly bytes: Buffer;
  /** Length of the whole batch in the bytes it was read from. */
  readonly sizeBytes: number;
}

type BatchPlace = Pick<RecordBatch, 'baseOffset' | 'nextOffset' | 'sizeBytes'>;

/** A batch that cannot be read, but whose place and length are known, so that a reader can go on behind it. */
export class DamagedBatch extends RangeError {
  readonly reason: string;
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly sizeBytes: number;

  constructor(reason: string, { baseOffset, nextOffset, sizeBytes }: BatchPlace) {
    super(`batch at offset ${baseOffset}: ${reason}`);
    this.reason = reason;
    this.baseOffset = baseOffset;
    this.nextOffset = nextOffset;
    this.sizeBytes = sizeBytes;
  }

  /** Else its offsets are what is wrong with it. */
  get isPlaceKnown(): boolean {
    return this.baseOffset !== NOWHERE;
  }
}

const NOWHERE = -1;

/** A batch whose offsets are those of no batch; `sizeBytes` is what is left of the answer from it on, none of which can be trusted. */
export function damagedPlace(reason: string, sizeBytes: number): DamagedBatch {
  return new DamagedBatch(reason, { baseOffset: NOWHERE, nextOffset: NOWHERE, sizeBytes });
}

/**
 * The batch that begins at `at`, or undefined where the bytes end before it does: brokers cut the last one of an answer anywhere. Throws a
 * {@link DamagedBatch} for a length or offsets that no batch has; nothing else is checked yet.
 */
export function batchAt(bytes: Buffer, at: number): RecordBatch | undefined {
  if (at + BATCH_HEAD_BYTES > bytes.length) return undefined;
  const sizeBytes = OVERHEAD_BYTES + bytes.readInt32BE(at + 8);
  if (at + sizeBytes > bytes.length) return undefined;
  const baseOffset = i64(bytes, at);
  const isKnown = bytes.readInt8(at + MAGIC_AT) === MAGIC;
  // What is wrong with it may be its length, too: reading on one offset further makes progress whatever it is.
  const nextOffset = baseOffset + Math.max(0, isKnown ? bytes.readInt32BE(at + 23) : 0) + 1;
  const left = bytes.length - at;
  if (!(baseOffset >= 0 && Number.isSafeInteger(nextOffset))) throw damagedPlace(`an offset of ${baseOffset}`, left);
  // Where the next one begins is not known then, and nothing that follows can be read.
  if (sizeBytes < (isKnown ? BATCH_HEAD_BYTES : MESSAGE_BYTES_MIN))
    throw new DamagedBatch(`a length of ${sizeBytes} bytes`, { baseOffset, nextOffset, sizeBytes: left });
  const attributes = bytes.readInt16BE(at + ATTRIBUTES_AT);
  return {
    baseOffset,
    nextOffset,
    sizeBytes,
    isControl: (attributes & CONTROL_BIT) !== 0,
    isTransactional: (attributes & TRANSACTIONAL_BIT) !== 0,
    codec: attributes & CODEC_BITS,
    baseTimestampMs: i64(bytes, at + 27),
    appendedAtMs: (attributes & LOG_APPEND_TIME_BIT) === 0 ? undefined : i64(bytes, at + 35),
    producerId: i64(bytes, at + 43),
    count: bytes.readInt32BE(at + 57),
    bytes: bytes.subarray(at, at + sizeBytes),
  };
}

/** Throws a {@link DamagedBatch} where its format is not this one, its checksum is wrong, or it counts fewer than no records. */
export function checkBatch(batch: RecordBatch): void {
  const { bytes, count } = batch;
  const magic = bytes.readInt8(MAGIC_AT);
  if (magic !== MAGIC) throw new DamagedBatch(`message format ${magic}, which Kafka gave up with version 4`, batch);
  if (crc32c(bytes.subarray(ATTRIBUTES_AT)) !== bytes.readUInt32BE(CRC_AT))
    throw new DamagedBatch('its bytes do not match their checksum', batch);
  if (count < 0) throw new DamagedBatch(`${count} records`, batch);
}

/** The batches of a record set, unchecked; a cut one at its end is left out, as the protocol has it. Throws as {@link batchAt}. */
export function* batchesOf(recordSet: Buffer): Generator<RecordBatch> {
  for (let at = 0; ;) {
    const batch = batchAt(recordSet, at);
    if (batch === undefined) return;
    yield batch;
    at += batch.sizeBytes;
  }
}

/**
 * The batches, unchecked, of a record set that was fetched from an offset on. Throws a RangeError unless it is empty or brings a reader
 * further: it would be asked for again at once, for ever. Brokers answer with the batch that an offset is in, whole however large it is,
 * and those behind it.
 */
export function batchesFrom(recordSet: Buffer, from: number): readonly RecordBatch[] {
  const batches = [...batchesOf(recordSet)];
  let next = 0;
  for (const { baseOffset, nextOffset } of batches) {
    if (baseOffset < next) throw new RangeError(`a batch at offset ${baseOffset} behind ${next - 1}`);
    next = nextOffset;
  }
  if (recordSet.length > 0 && next <= from)
    throw new RangeError(`records up to ${next - 1}, asked for from ${from} on`);
  return batches;
}

function i64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 0x100000000 + bytes.readUInt32BE(at + 4);
}
