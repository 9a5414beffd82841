import { Bug } from '../lib/assert.ts';
import { Backoff } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { describeError, OperatingError } from '../lib/errors.ts';
import { faultPoint } from '../lib/fault-point.ts';
import type { Log, OutgoingMessage } from '../broker/broker.ts';
import { encodeBlockHeader } from '../record/block.ts';
import type { LinesRead } from './block-reader.ts';
import type { Notify } from './events.ts';
import { BLOCK_ROOM_BYTES, SLABS_PER_LANE } from './limits.ts';
import type { TrackedSource } from './tracked-source.ts';

const NO_VALUE = new Uint8Array(0);

interface PendingBlock {
  readonly source: TrackedSource;
  readonly lines: LinesRead;
  readonly message: OutgoingMessage;
}

/** Memory for the blocks of one append: they lie one behind the other as they were read, and nothing is copied. */
interface Slab {
  readonly memory: Buffer;
  used: number;
  blocks: PendingBlock[];
}

export interface LaneOptions {
  readonly topic: string;
  readonly partition: number;
  readonly blocksPerAppend: number;
  readonly retryMs: number;
  readonly retryMsMax: number;
}

/**
 * The way of an agent's blocks and beats into one partition. One append is in flight; while it is, one more slab is filled, and
 * then reading waits. A rejected append is sent again as it was, whatever its outcome: readers drop what comes twice.
 */
export class Lane {
  readonly topic: string;
  readonly partition: number;
  /** Offset after the last own append: what lies before it holds nothing this agent does not know. */
  endOffset = 0;
  bytesSent = 0;
  linesSent = 0;
  /** Appends so far, to tell whether blocks went out since some moment. */
  appends = 0;
  /** The agent is ending and an append was given up: nothing may follow that speaks as if it had come first. */
  hasGivenUp = false;
  readonly #options: LaneOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #notify: Notify;
  readonly #signal: AbortSignal;
  readonly #free: Slab[] = [];
  #slabs = 0;
  #filling: Slab | undefined;
  #sending: Promise<void> | undefined;

  constructor(deps: { clock: Clock; log: Log; notify: Notify; signal: AbortSignal; options: LaneOptions }) {
    this.topic = deps.options.topic;
    this.partition = deps.options.partition;
    this.#options = deps.options;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#notify = deps.notify;
    this.#signal = deps.signal;
  }

  get isSending(): boolean {
    return this.#sending !== undefined;
  }

  get hasBlocks(): boolean {
    return this.#filling !== undefined && this.#filling.blocks.length > 0;
  }

  get isIdle(): boolean {
    return !this.isSending && !this.hasBlocks;
  }

  /** Memory for one more block, BLOCK_ROOM_BYTES of it, or undefined: then the lane is full, and reading waits. */
  room(): Buffer | undefined {
    this.#filling ??= this.#takeSlab();
    const slab = this.#filling;
    if (slab === undefined || slab.memory.length - slab.used < BLOCK_ROOM_BYTES) return undefined;
    return slab.memory.subarray(slab.used, slab.used + BLOCK_ROOM_BYTES);
  }

  /** Takes what was read into `room()`. */
  add(source: TrackedSource, lines: LinesRead, readAtMs: number): void {
    const slab = this.#filling!;
    const { offsets, lengths, cut } = lines;
    const header = encodeBlockHeader({
      source: source.id,
      identity: source.identity,
      origin: source.origin,
      prev: lines.prev,
      start: lines.start,
      end: lines.end,
      tail: lines.tailBefore,
      endTail: lines.tail,
      lines: lines.lines,
      readAtMs,
      ...(offsets === undefined ? {} : { offsets }),
      ...(lengths === undefined ? {} : { lengths }),
      ...(cut === undefined ? {} : { cut }),
    });
    slab.used += lines.usedBytes;
    slab.blocks.push({ source, lines, message: { kind: 'block', header, value: lines.value } });
    faultPoint('agent.read');
  }

  /** Sends the blocks that were read. The lane must not be sending. `done` is called when they are acknowledged or failed. */
  sendBlocks(done: (error?: unknown) => void): void {
    const slab = this.#filling!;
    this.#filling = undefined;
    const send = async (): Promise<void> => {
      const isSent = await this.#append(slab.blocks.map((block) => block.message));
      if (!isSent) return;
      faultPoint('agent.sent');
      const nowMs = this.#clock.nowMs();
      for (const { source, lines } of slab.blocks) {
        source.acknowledge(lines, nowMs);
        this.bytesSent += lines.sizeBytes;
        this.linesSent += lines.lines;
      }
      slab.blocks = [];
      slab.used = 0;
      this.#free.push(slab);
      faultPoint('agent.acked');
    };
    this.#run(send, done);
  }

  /** Sends messages without a value: beats. */
  sendHeaders(headers: readonly Uint8Array[], done: (error?: unknown) => void): void {
    const messages = headers.map((header): OutgoingMessage => ({ kind: 'beat', header, value: NO_VALUE }));
    this.#run(async () => void (await this.#append(messages)), done);
  }

  /** Resolves when nothing is in flight. */
  async settled(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
  }

  #run(send: () => Promise<void>, done: (error?: unknown) => void): void {
    const run = async (): Promise<void> => {
      let failure: unknown;
      try {
        await send();
      } catch (error) {
        failure = error;
      }
      this.#sending = undefined;
      done(failure);
    };
    this.#sending = run();
  }

  /** False if the agent is ending and the log does not take it: the next life sends it again. */
  async #append(messages: readonly OutgoingMessage[]): Promise<boolean> {
    const { topic, partition, retryMs, retryMsMax } = this.#options;
    const backoff = new Backoff({ initialMs: retryMs, maxMs: retryMsMax, multiplier: 2 });
    for (let isHeld = false; ;) {
      try {
        const offset = await this.#log.append(topic, partition, messages);
        this.endOffset = offset + messages.length;
        this.appends += 1;
        if (isHeld) this.#notify({ type: 'backpressure_ended', topic, partition });
        return true;
      } catch (error) {
        if (isFatal(error)) throw error;
        const code = error instanceof OperatingError ? error.code : '';
        if (!isHeld) this.#notify({ type: 'backpressure_began', topic, partition, reason: describeError(error), code });
        isHeld = true;
      }
      if (this.#signal.aborted) {
        this.hasGivenUp = true;
        return false;
      }
      await this.#clock.sleep(backoff.next(), this.#signal);
    }
  }

  #takeSlab(): Slab | undefined {
    const free = this.#free.pop();
    if (free !== undefined || this.#slabs >= SLABS_PER_LANE) return free;
    this.#slabs += 1;
    return { memory: Buffer.allocUnsafeSlow(this.#options.blocksPerAppend * BLOCK_ROOM_BYTES), used: 0, blocks: [] };
  }
}

/** What trying again cannot mend. Anything else means that the outcome is unknown, or that there is no room now. */
function isFatal(error: unknown): boolean {
  if (error instanceof Bug || error instanceof TypeError || error instanceof RangeError) return true;
  return error instanceof OperatingError && !error.isRetryable && error.code !== 'LOG_DISK_FULL';
}
