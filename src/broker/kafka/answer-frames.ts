/** Length of an answer's own length, and of the number of the request it is for. */
const SIZE_BYTES = 4;
const HEAD_BYTES = 8;
/** Of an answer that says it is longer, memory is taken as its bytes come: a peer must send what it wants us to hold. */
const RESERVED_BYTES_MAX = 4 * 1024 * 1024;

/** What a connection sends does not answer anything that was asked. The message says what was seen instead. */
export class BadFrame extends RangeError {}

/** What is asked of the connection's owner: how long an answer to a request may be; undefined where no such request waits. */
export type FrameLimits = (correlationId: number) => number | undefined;

/**
 * Cuts what a broker sends into answers: four bytes of length, four with the number of the request, and the answer's body. Nothing is kept of a
 * frame that is longer than an answer to its request may be, and memory grows no faster than bytes come.
 */
export class AnswerFrames {
  readonly #limitOf: FrameLimits;
  readonly #bytesMax: number;
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #headBytes = 0;
  /** Of the frame that has begun: the number of its request, its body so far, and how long that will be. */
  #correlationId = 0;
  #body: Buffer | undefined;
  #bodyBytes = 0;
  #bodyBytesWanted = 0;

  /** `bytesMax` is the longest answer there may be to anything. */
  constructor(bytesMax: number, limitOf: FrameLimits) {
    this.#bytesMax = bytesMax;
    this.#limitOf = limitOf;
  }

  /** Calls `take` for each answer that is whole now; its body may be a view of `bytes`. Throws a {@link BadFrame}; the connection is of no use then. */
  push(bytes: Buffer, take: (correlationId: number, body: Buffer) => void): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#body === undefined) {
        at += this.#takeHead(bytes, at);
        if (this.#headBytes < HEAD_BYTES) return;
        const wanted = this.#bodyBytesWanted;
        if (bytes.length - at >= wanted) {
          this.#headBytes = 0;
          take(this.#correlationId, bytes.subarray(at, at + wanted));
          at += wanted;
          continue;
        }
        this.#body = Buffer.allocUnsafeSlow(Math.min(wanted, RESERVED_BYTES_MAX));
        this.#bodyBytes = 0;
      }
      at += this.#takeBody(this.#body, bytes, at);
      if (this.#bodyBytes < this.#bodyBytesWanted) return;
      const body = this.#body.subarray(0, this.#bodyBytes);
      this.#body = undefined;
      this.#headBytes = 0;
      take(this.#correlationId, body);
    }
  }

  #takeHead(bytes: Buffer, at: number): number {
    const had = this.#headBytes;
    const taken = bytes.copy(this.#head, had, at, Math.min(bytes.length, at + HEAD_BYTES - had));
    this.#headBytes += taken;
    if (had < SIZE_BYTES && this.#headBytes >= SIZE_BYTES) this.#checkSize();
    if (this.#headBytes === HEAD_BYTES) this.#checkRequest();
    return taken;
  }

  /** As soon as it is there: a server of another kind may send no eighth byte. */
  #checkSize(): void {
    const size = this.#head.readInt32BE(0);
    if (size >= HEAD_BYTES - SIZE_BYTES && size <= this.#bytesMax) return;
    throw new BadFrame(kindOf(this.#head) ?? `an answer of ${size} bytes, and ${this.#bytesMax} is the limit`);
  }

  #checkRequest(): void {
    const size = this.#head.readInt32BE(0);
    this.#correlationId = this.#head.readInt32BE(SIZE_BYTES);
    const limit = this.#limitOf(this.#correlationId);
    if (limit === undefined) throw new BadFrame(`an answer to request ${this.#correlationId}, which waits for none`);
    if (size > limit) throw new BadFrame(`an answer of ${size} bytes, and ${limit} is the limit of its kind`);
    this.#bodyBytesWanted = size - (HEAD_BYTES - SIZE_BYTES);
  }

  #takeBody(body: Buffer, bytes: Buffer, at: number): number {
    const count = Math.min(bytes.length - at, this.#bodyBytesWanted - this.#bodyBytes);
    const needed = this.#bodyBytes + count;
    let room = body;
    if (needed > body.length) {
      room = Buffer.allocUnsafeSlow(Math.min(this.#bodyBytesWanted, Math.max(needed, body.length * 2)));
      body.copy(room, 0, 0, this.#bodyBytes);
      this.#body = room;
    }
    bytes.copy(room, this.#bodyBytes, at, at + count);
    this.#bodyBytes = needed;
    return count;
  }
}

/** What speaks there, by the first bytes of what it says. */
function kindOf(head: Buffer): string | undefined {
  if (head.toString('latin1', 0, SIZE_BYTES) === 'HTTP') return 'HTTP: this is the port of a web server';
  // A record of TLS: handshake or alert, version 3.x.
  if ((head[0] === 0x15 || head[0] === 0x16) && head[1] === 0x03)
    return 'TLS: this listener wants an encrypted connection';
  return undefined;
}
