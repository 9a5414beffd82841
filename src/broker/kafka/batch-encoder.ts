import type { BatchStamp } from './fenced-producer.ts';
import { type BatchCodec, type KafkaRecord, encodeBatch } from './record-batch.ts';

/** Holds the largest append of an agent, eight blocks, with their headers. */
const SCRATCH_BYTES = 4 * 1024 * 1024 + 256 * 1024;
/** Batches that are compressed at the same time in memory that is used again; more of them take their own. Kept for as long as the log. */
const SCRATCHES_MAX = 2;
/** Smaller batches are beats and cursors, for which a process needs no such memory. */
const SCRATCH_FROM_BYTES = 64 * 1024;

/**
 * Encodes the batches of a log. Their plain records pass through memory that is used again: made anew for each, half of an agent's garbage
 * was that, and node's collector marks the whole heap for every 64 MiB of it.
 */
export class BatchEncoder {
  readonly #codec: BatchCodec;
  readonly #free: Buffer[] = [];
  #made = 0;

  constructor(codec: BatchCodec = 'zstd') {
    this.#codec = codec;
  }

  /** `bytes` is about the size of the records. */
  async encode(
    records: readonly KafkaRecord[],
    bytes: number,
    timestampMs: number,
    stamp?: BatchStamp,
  ): Promise<Buffer> {
    const scratch = bytes < SCRATCH_FROM_BYTES ? undefined : this.#take();
    try {
      return await encodeBatch(records, timestampMs, this.#codec, scratch, stamp);
    } finally {
      if (scratch !== undefined) this.#free.push(scratch);
    }
  }

  #take(): Buffer | undefined {
    const free = this.#free.pop();
    if (free !== undefined || this.#made >= SCRATCHES_MAX) return free;
    this.#made += 1;
    return Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  }
}
