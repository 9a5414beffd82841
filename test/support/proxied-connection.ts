// One connection of `tcp-proxy.ts`: two sockets, and the requests and answers that pass between them.
import type { Socket } from 'node:net';

/** How requests are told apart: `kafka` by their length prefix; `chunks` takes each chunk of bytes that arrives for one. */
export type Framing = 'kafka' | 'chunks';

/** Waits for the answers to some requests. */
export interface AnswerTrap {
  /** How many answers it still wants. */
  left: number;
  /** Looks at the first bytes of a request. */
  readonly isTarget: (head: Buffer) => boolean;
  /** Bytes of the answer that are let through. */
  readonly keptBytes: number;
}

export interface ProxyCounters {
  connections: number;
  bytesToTarget: number;
  bytesToClient: number;
  /** Answers that did not come back at all. */
  swallowed: number;
  /** Answers of which only the beginning came back. */
  truncated: number;
  /** Connections that were reset. */
  cut: number;
}

/** What a connection needs of its proxy. */
export interface ConnectionOwner {
  readonly framing: Framing;
  readonly counters: ProxyCounters;
  readonly delayMs: number;
  readonly isHalfOpen: boolean;
  trapFor(head: Buffer): AnswerTrap | undefined;
}

/** Of a request by which it is recognised; Kafka's size, api key, version and correlation id; an HTTP request line. */
const KAFKA_HEAD_BYTES = 12;
const CHUNK_HEAD_BYTES = 512;
const SIZE_BYTES = 4;

/** Cuts a stream of bytes at Kafka's length prefixes, and says of each frame where it begins, as soon as its head is there. */
class Frames {
  readonly #headBytes: number;
  #head: Buffer = Buffer.alloc(0);
  #restBytes = 0;

  constructor(headBytes: number) {
    this.#headBytes = headBytes;
  }

  /** The frames whose heads this chunk completes; `at` is where the frame begins, below 0 for an earlier chunk. */
  take(chunk: Buffer): { readonly head: Buffer; readonly at: number }[] {
    const frames = [];
    let position = 0;
    while (position < chunk.length) {
      if (this.#restBytes > 0) {
        const skipped = Math.min(this.#restBytes, chunk.length - position);
        this.#restBytes -= skipped;
        position += skipped;
        continue;
      }
      const piece = chunk.subarray(position, position + this.#headBytes - this.#head.length);
      this.#head = Buffer.concat([this.#head, piece]);
      position += piece.length;
      if (this.#head.length < this.#headBytes) break;
      frames.push({ head: this.#head, at: position - this.#headBytes });
      this.#restBytes = this.#head.readInt32BE(0) + SIZE_BYTES - this.#headBytes;
      this.#head = Buffer.alloc(0);
    }
    return frames;
  }
}

/** Delivers chunks in order, each after the delay, and holds the sender back while the receiver is slow. */
class Delivery {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #timers = new Set<NodeJS.Timeout>();
  #lastDueMs = 0;
  isPaused = false;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
  }

  after(delayMs: number, deliver: () => void): void {
    const nowMs = performance.now();
    this.#lastDueMs = Math.max(nowMs + delayMs, this.#lastDueMs);
    if (this.#timers.size === 0 && delayMs === 0) return deliver();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      deliver();
    }, this.#lastDueMs - nowMs);
    this.#timers.add(timer);
  }

  write(chunk: Buffer): void {
    if (this.#to.destroyed || this.#to.write(chunk)) return;
    this.#from.pause();
    this.#to.once('drain', () => {
      if (!this.isPaused) this.#from.resume();
    });
  }

  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}

export class ProxiedConnection {
  onEnd: () => void = () => {};
  readonly #owner: ConnectionOwner;
  readonly #client: Socket;
  readonly #target: Socket;
  readonly #toTarget: Delivery;
  readonly #toClient: Delivery;
  readonly #requests = new Frames(KAFKA_HEAD_BYTES);
  readonly #answers = new Frames(SIZE_BYTES);
  /** Of each Kafka request without an answer, in order: who waits for it. */
  readonly #waiting: (AnswerTrap | undefined)[] = [];
  #hasEnded = false;

  constructor(owner: ConnectionOwner, client: Socket, target: Socket) {
    this.#owner = owner;
    this.#client = client;
    this.#target = target;
    this.#toTarget = new Delivery(client, target);
    this.#toClient = new Delivery(target, client);
    client.setNoDelay(true).on('data', (chunk) => this.#request(chunk));
    target.setNoDelay(true).on('data', (chunk) => this.#answer(chunk));
    this.#join(client, this.#toTarget, target);
    this.#join(target, this.#toClient, client);
    client.resume();
  }

  #join(from: Socket, delivery: Delivery, to: Socket): void {
    from.on('end', () => {
      if (!this.#owner.isHalfOpen) delivery.after(this.#owner.delayMs, () => to.end());
    });
    from.on('error', () => this.cut());
    from.on('close', () => {
      if (this.#client.destroyed && this.#target.destroyed) this.#ended();
    });
  }

  #request(chunk: Buffer): void {
    if (this.#owner.isHalfOpen) return;
    if (this.#owner.framing === 'kafka') {
      for (const { head } of this.#requests.take(chunk)) this.#waiting.push(this.#owner.trapFor(head));
    } else {
      const trap = this.#owner.trapFor(chunk.subarray(0, CHUNK_HEAD_BYTES));
      if (trap !== undefined) this.#waiting.push(trap);
    }
    this.#owner.counters.bytesToTarget += chunk.length;
    this.#toTarget.after(this.#owner.delayMs, () => this.#toTarget.write(chunk));
  }

  #answer(chunk: Buffer): void {
    if (this.#owner.isHalfOpen || this.#hasEnded) return;
    const caught = this.#caught(chunk);
    const passed = caught === undefined ? chunk : chunk.subarray(0, caught.at + caught.trap.keptBytes);
    this.#owner.counters.bytesToClient += passed.length;
    const { delayMs } = this.#owner;
    if (passed.length > 0) this.#toClient.after(delayMs, () => this.#toClient.write(passed));
    if (caught === undefined) return;
    if (caught.trap.keptBytes === 0) this.#owner.counters.swallowed += 1;
    else this.#owner.counters.truncated += 1;
    // A reset would throw away what the client has not read of the bytes before it.
    if (passed.length === 0) this.cut();
    else this.#toClient.after(delayMs, () => this.#client.end(() => this.cut()));
  }

  /** The trap in which an answer of this chunk falls, and where the answer begins. */
  #caught(chunk: Buffer): { readonly trap: AnswerTrap; readonly at: number } | undefined {
    if (this.#owner.framing === 'chunks') {
      const trap = this.#waiting.shift();
      return trap === undefined ? undefined : { trap, at: 0 };
    }
    for (const { at } of this.#answers.take(chunk)) {
      const trap = this.#waiting.shift();
      if (trap !== undefined) return { trap, at: Math.max(0, at) };
    }
    return undefined;
  }

  pause(): void {
    this.#toTarget.isPaused = true;
    this.#toClient.isPaused = true;
    this.#client.pause();
    this.#target.pause();
  }

  resume(): void {
    this.#toTarget.isPaused = false;
    this.#toClient.isPaused = false;
    this.#client.resume();
    this.#target.resume();
  }

  /** Resets both sides. */
  cut(): void {
    if (!this.#hasEnded) this.#owner.counters.cut += 1;
    this.#ended();
    this.#client.resetAndDestroy();
    this.#target.resetAndDestroy();
  }

  #ended(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#toTarget.clear();
    this.#toClient.clear();
    // A trap whose answer never came has not snapped: it waits for another request.
    for (const trap of this.#waiting) if (trap !== undefined) trap.left += 1;
    this.onEnd();
  }
}
