import { protocolType } from '../kafka-error.ts';
import {
  type KafkaAddress,
  type KafkaClientOptions,
  type KafkaJsConnection,
  REQUEST_TIMEOUT_MS,
  type WireBroker,
  connectKafkaJs,
  createErrorFromCode,
} from '../kafkajs.ts';
import { tooOld } from './codes.ts';
import { WireReader, WireWriter } from './wire-bytes.ts';

/** An API of Kafka in one version of it. */
export interface Api {
  readonly key: number;
  readonly version: number;
  readonly name: string;
  readonly isFlexible: boolean;
}

/** What an error of a connection, or of an answer, becomes; `where` names the broker, topic or partition. */
export type Judge = (error: unknown, where: string) => unknown;

/** One connection to one broker, with TLS and SASL by kafkajs; requests that it has no good version of are written here. */
export class Connection {
  readonly address: KafkaAddress;
  /** `host:port`. */
  readonly name: string;
  readonly kafkajs: KafkaJsConnection;
  readonly #timeoutMs: number;
  readonly #judge: Judge;

  private constructor(address: KafkaAddress, kafkajs: KafkaJsConnection, timeoutMs: number, judge: Judge) {
    this.address = address;
    this.name = nameOf(address);
    this.kafkajs = kafkajs;
    this.#timeoutMs = timeoutMs;
    this.#judge = judge;
  }

  /** Rejects with what `judge` makes of kafkajs' errors, as all that is asked over it does. */
  static async open(
    { host, port }: KafkaAddress,
    options: KafkaClientOptions,
    judge: Judge = (error) => error,
  ): Promise<Connection> {
    const address = { host, port };
    try {
      const kafkajs = await connectKafkaJs(address, options);
      return new Connection(address, kafkajs, options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS, judge);
    } catch (error) {
      throw judge(error, nameOf(address));
    }
  }

  get broker(): WireBroker {
    return this.kafkajs.broker;
  }

  get isOpen(): boolean {
    return this.kafkajs.isOpen();
  }

  /** The first of `wanted` (best first) that the broker has. Throws an OperatingError where it has none. */
  choose(...wanted: readonly Api[]): Api {
    const { versions } = this.broker;
    const found = wanted.find(({ key, version }) => version <= (versions[key]?.maxVersion ?? -1));
    if (found === undefined) throw tooOld(this.name, wanted[0]!.name);
    return found;
  }

  /**
   * Sends a request and resolves with what `read` makes of the answer's body; what it throws for bytes that it cannot read is the
   * broker's failure. `waitMs` is how long the broker may wait before it answers.
   */
  async send<T>(api: Api, write: (out: WireWriter) => void, read: (answer: WireReader) => T, waitMs = 0): Promise<T> {
    const out = new WireWriter(api.isFlexible);
    // The newer dialect has tagged fields at the end of its heads, too, which kafkajs does not know of.
    out.tags();
    write(out);
    const bytes = out.view();
    const decode = async (body: Buffer): Promise<{ read: T }> => {
      const answer = new WireReader(body, api.isFlexible);
      answer.tags();
      return { read: read(answer) };
    };
    try {
      return await this.kafkajs.send({
        request: {
          apiKey: api.key,
          apiVersion: api.version,
          apiName: api.name,
          encode: async () => ({ buf: bytes, buffer: bytes }),
        },
        response: { decode, parse: async (decoded) => (decoded as { read: T }).read },
        requestTimeout: this.#timeoutMs + waitMs,
      });
    } catch (error) {
      // Unless it was an answer, the next question goes over a new connection: one may still be on its way here.
      if (protocolType(error) === undefined) this.close();
      throw this.#judge(error, this.name);
    }
  }

  /** Throws where an answer's code says no. */
  check(code: number, where = this.name): void {
    if (code !== 0) throw this.#judge(createErrorFromCode(code), where);
  }

  /** At once: whatever waits for an answer is rejected, and nothing more is sent. */
  close(): void {
    this.kafkajs.close();
  }
}

function nameOf({ host, port }: KafkaAddress): string {
  return `${host}:${port}`;
}
