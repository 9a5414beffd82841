import { BULK_BYTES_MAX, Bulk } from './bulk.ts';
import type { BulkSender, Rejection } from './bulk-sender.ts';

/** Requests in flight of one sink, whatever the number of its tasks: one is worked on by the server while the next is on its way. */
const IN_FLIGHT_MAX = 2;
/** All tasks of a sink together hold about so much that is not sent: with many partitions, bulks are closed earlier. */
const BUFFERS_BYTES_MAX = 32 * 1024 * 1024;
const BULK_BYTES_MIN = 256 * 1024;
/** The last document of a bulk may pass its bound. */
const SPARE_BYTES = 128 * 1024;

/** The two lanes to Elasticsearch that all tasks of a sink share, and the buffers that go to and fro on them. */
export class BulkLanes {
  /** A bulk is closed at this size. */
  readonly bytesMax: number;
  readonly #sender: Pick<BulkSender, 'deliver'>;
  readonly #free: Bulk[] = [];
  #inFlight = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(sender: Pick<BulkSender, 'deliver'>, tasks: number) {
    this.#sender = sender;
    // Each task fills one and may have another one waiting.
    const share = Math.floor(BUFFERS_BYTES_MAX / (2 * Math.max(1, tasks)));
    this.bytesMax = Math.min(BULK_BYTES_MAX, Math.max(BULK_BYTES_MIN, share));
  }

  take(): Bulk {
    return this.#free.pop() ?? new Bulk(this.bytesMax + SPARE_BYTES);
  }

  /** Takes a buffer back; one that a huge document has made huge goes. */
  give(bulk: Bulk): void {
    bulk.clear();
    if (bulk.json.bytes.length <= 2 * (this.bytesMax + SPARE_BYTES) && this.#free.length < IN_FLIGHT_MAX)
      this.#free.push(bulk);
  }

  /** Waits for a lane, says so, and delivers. */
  async run(bulk: Bulk, onBegun: () => void): Promise<Rejection[]> {
    if (this.#inFlight >= IN_FLIGHT_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#inFlight++;
    onBegun();
    try {
      return await this.#sender.deliver(bulk);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#inFlight--;
      else next();
    }
  }
}
