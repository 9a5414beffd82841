import {
  type KafkaAddress,
  type KafkaClientOptions,
  REQUEST_TIMEOUT_MS,
  WireConnection,
  type WireEncoder,
} from '../kafkajs.ts';
import { asSourceError, tooOld } from './codes.ts';
import { WireReader, WireWriter } from './wire-bytes.ts';

/** An API of Kafka in one version of it. */
export interface Api {
  readonly key: number;
  readonly version: number;
  readonly name: string;
  readonly isFlexible: boolean;
}

/**
 * A connection to one broker that speaks newer versions of the protocol than kafkajs does: those with topic ids, and answers whose records
 * are left as they came. Every failure is an OperatingError; after one, open another.
 */
export class Connection {
  readonly address: string;
  readonly #wire: WireConnection;

  private constructor(address: string, wire: WireConnection) {
    this.address = address;
    this.#wire = wire;
  }

  static async open(address: KafkaAddress, options: KafkaClientOptions): Promise<Connection> {
    const name = `${address.host}:${address.port}`;
    try {
      return new Connection(name, await WireConnection.open(address, options));
    } catch (error) {
      throw asSourceError(error, name);
    }
  }

  get isOpen(): boolean {
    return this.#wire.isOpen;
  }

  /** The first of `wanted` (best first) that the broker has. Throws an OperatingError where it has none. */
  choose(...wanted: readonly Api[]): Api {
    const { versions } = this.#wire.broker;
    const found = wanted.find(({ key, version }) => version <= (versions[key]?.maxVersion ?? -1));
    if (found === undefined) throw tooOld(this.address, wanted[0]!.name);
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
    // Of an encoder kafkajs wants the bytes only.
    const encoded = { buf: bytes, buffer: bytes } as unknown as WireEncoder;
    const decode = async (body: Buffer): Promise<{ read: T }> => {
      const answer = new WireReader(body, api.isFlexible);
      answer.tags();
      return { read: read(answer) };
    };
    try {
      return await this.#wire.send({
        request: { apiKey: api.key, apiVersion: api.version, apiName: api.name, encode: async () => encoded },
        response: { decode, parse: async (decoded) => (decoded as { read: T }).read },
        requestTimeout: REQUEST_TIMEOUT_MS + waitMs,
      });
    } catch (error) {
      // Whatever it was, the next question goes over a new connection: an answer may still be on its way here.
      this.close();
      throw asSourceError(error, this.address);
    }
  }

  close(): void {
    this.#wire.close();
  }
}
