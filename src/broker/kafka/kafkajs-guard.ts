/**
 * kafkajs believes its peers: it keeps a frame of any length, throws out of the socket's event where a length is negative, makes arrays of any
 * length that is named, and waits as long as it is told to. Here its connection and its decoder are held to what bytes of a stranger may do:
 * an answer is one of ours, within a limit, and whatever cannot be read is an error of the connection that says which broker sent what.
 * docs/decisions/0021-bytes-of-peers.md.
 */
import { createRequire } from 'node:module';
import { OperatingError } from '../../lib/errors.ts';
import { AnswerFrames } from './answer-frames.ts';
import { badAnswerError } from './kafka-error.ts';
import type { WireRequest, WireSocket } from './kafkajs.ts';

/** Fetched records come whole batches at a time: the largest that any topic of ours takes (16 MiB), and what others allow. */
const FETCH_BYTES_MAX = 64 * 1024 * 1024;
/** A cluster of 200,000 partitions, more than Kafka itself aims at, describes itself in 12 MB. Nothing else that is asked has longer answers. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const FETCH = 1;
const SASL_AUTHENTICATE = 36;
/** Brokers ask for at most 16,384 of them; each is work for this process. */
const SCRAM_ITERATIONS_MAX = 100_000;
/** What brokers throttle by is a matter of seconds. Who is to wait longer asks again, and is told again. */
const THROTTLE_MS_MAX = 30_000;

interface KafkaJsSocket extends WireSocket {
  readonly broker: string;
  sendAuthRequest(request: object): Promise<unknown>;
  processData(bytes: Buffer): void;
}

interface KafkaJsQueue {
  readonly inflight: ReadonlyMap<number, { readonly entry: { readonly apiKey: number } }>;
  fulfillRequest(answer: { correlationId: number; payload: Buffer; size: number }): void;
  maybeThrottle(throttleMs: number | null | undefined): void;
}

interface KafkaJsDecoder {
  readonly buffer: Buffer;
  offset: number;
  readInt16(): number;
  readInt32(): number;
  readInt64(): bigint;
  readString(): string | null;
  readBytes(length?: number): Buffer | null;
  readArray<T>(read: (decoder: KafkaJsDecoder) => T): T[];
  readArrayAsync<T>(read: (decoder: KafkaJsDecoder) => Promise<T>): Promise<T[]>;
}

const load = createRequire(import.meta.url);
const KafkaJsConnection = load('kafkajs/src/network/connection') as new (options: object) => KafkaJsSocket;
const Queue = load('kafkajs/src/network/requestQueue') as { readonly prototype: KafkaJsQueue };
const Decoder = load('kafkajs/src/protocol/decoder') as { readonly prototype: KafkaJsDecoder };

/** kafkajs' connection, which trusts nothing that it reads. */
export class GuardedConnection extends KafkaJsConnection {
  readonly #frames: AnswerFrames;
  #isBroken = false;

  constructor(options: object) {
    super(options);
    const { inflight } = this.requestQueue as unknown as KafkaJsQueue;
    this.#frames = new AnswerFrames(FETCH_BYTES_MAX, (correlationId) => {
      const request = inflight.get(correlationId);
      if (request === undefined) return undefined;
      return request.entry.apiKey === FETCH ? FETCH_BYTES_MAX : ANSWER_BYTES_MAX;
    });
  }

  override processData(bytes: Buffer): void {
    if (this.#isBroken) return;
    const queue = this.requestQueue as unknown as KafkaJsQueue;
    try {
      this.#frames.push(bytes, (correlationId, payload) =>
        queue.fulfillRequest({ correlationId, payload, size: payload.length }),
      );
    } catch (error) {
      this.#break(badAnswerError(this.broker, error));
    }
  }

  override async send<T>(request: WireRequest<T>): Promise<T> {
    const { response, request: asked } = request;
    const guarded =
      <A, B>(read: (given: A) => Promise<B>) =>
      async (given: A): Promise<B> => {
        try {
          return await read(given);
        } catch (error) {
          throw this.#judged(error, asked.apiName);
        }
      };
    const decode = guarded(async (payload: Buffer) => response.decode(payload));
    const parse = guarded(async (decoded: object) => {
      const parsed = await response.parse(decoded);
      if (asked.apiKey === SASL_AUTHENTICATE) checkIterations(parsed as { readonly authBytes?: unknown });
      return parsed;
    });
    return super.send({ ...request, response: { decode, parse } });
  }

  /** Frames without numbers, for brokers before Kafka 1.0: these are read nowhere else, and can be told from nothing. */
  override async sendAuthRequest(): Promise<never> {
    throw new Error(`${this.broker} has no SaslAuthenticate: Kafka 1.0 or later has it`);
  }

  /** What the broker says by the protocol stays as it is; anything else is its bytes. */
  #judged(error: unknown, what: string): unknown {
    if (error instanceof OperatingError || (error instanceof Error && error.name.startsWith('KafkaJS'))) return error;
    const bad = badAnswerError(this.broker, error, what);
    this.#break(bad);
    return bad;
  }

  #break(error: Error): void {
    this.#isBroken = true;
    this.rejectRequests(error);
    this.requestQueue.destroy();
    this.disconnect().catch(() => undefined);
    this.socket?.destroy();
  }
}

function checkIterations({ authBytes }: { readonly authBytes?: unknown }): void {
  if (!Buffer.isBuffer(authBytes)) return;
  const asked = Number(/,i=(\d+)/.exec(authBytes.toString('latin1'))?.[1] ?? 0);
  if (asked > SCRAM_ITERATIONS_MAX)
    throw new RangeError(`it asks for ${asked} iterations, and ${SCRAM_ITERATIONS_MAX} is the limit`);
}

/** So that each read is of bytes that are there, and each entry of an array takes some of them. */
function boundReads(): void {
  const { prototype } = Decoder;
  const take = (decoder: KafkaJsDecoder, length: number): Buffer => {
    const start = decoder.offset;
    const end = start + length;
    if (!(length >= 0 && end <= decoder.buffer.length))
      throw new RangeError(`${length} bytes at ${start} of ${decoder.buffer.length}`);
    decoder.offset = end;
    return decoder.buffer.subarray(start, end);
  };
  const countOf = (decoder: KafkaJsDecoder): number => {
    const count = decoder.readInt32();
    const left = decoder.buffer.length - decoder.offset;
    if (count < -1 || count > left) throw new RangeError(`${count} entries in ${left} bytes`);
    return count;
  };
  prototype.readInt64 = function readInt64(this: KafkaJsDecoder) {
    return take(this, 8).readBigInt64BE(0);
  };
  prototype.readString = function readString(this: KafkaJsDecoder) {
    const length = this.readInt16();
    return length === -1 ? null : take(this, length).toString('utf8');
  };
  prototype.readBytes = function readBytes(this: KafkaJsDecoder, length = this.readInt32()) {
    return length === -1 ? null : take(this, length);
  } as KafkaJsDecoder['readBytes'];
  prototype.readArray = function readArray<T>(this: KafkaJsDecoder, read: (decoder: KafkaJsDecoder) => T) {
    const values: T[] = [];
    for (let left = countOf(this); left > 0; left--) values.push(read(this));
    return values;
  };
  prototype.readArrayAsync = async function readArrayAsync<T>(
    this: KafkaJsDecoder,
    read: (decoder: KafkaJsDecoder) => Promise<T>,
  ) {
    const values: T[] = [];
    for (let left = countOf(this); left > 0; left--) values.push(await read(this));
    return values;
  };
}

function boundThrottle(): void {
  const { prototype } = Queue;
  // oxlint-disable-next-line typescript/unbound-method -- called with its `this` below
  const throttle = prototype.maybeThrottle;
  prototype.maybeThrottle = function throttleForSeconds(this: KafkaJsQueue, throttleMs): void {
    throttle.call(this, Math.min(throttleMs ?? 0, THROTTLE_MS_MAX));
  };
}

boundReads();
boundThrottle();
