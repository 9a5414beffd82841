import { unreachableError } from '../../broker/kafka/kafka-error.ts';
import type { KafkaClientOptions } from '../../broker/kafka/kafkajs.ts';
import { Connection } from '../../broker/kafka/wire/connection.ts';
import {
  type Broker,
  type Metadata,
  commitOffsets,
  findCoordinator,
  metadata,
} from '../../broker/kafka/wire/requests.ts';

/** `ask`: short questions. `fetch`: requests that wait for records, behind which a question would wait, too. */
export type Purpose = 'ask' | 'fetch';

/** A Kafka cluster that belongs to others: who is in it, and one connection to each broker and purpose, opened when needed. */
export class Cluster {
  readonly #bootstrap: readonly Pick<Broker, 'host' | 'port'>[];
  readonly #options: KafkaClientOptions;
  readonly #connections = new Map<string, Promise<Connection>>();
  #brokers: readonly Broker[] = [];
  #isClosed = false;

  constructor(options: KafkaClientOptions) {
    this.#bootstrap = options.brokers.map(parseAddress);
    this.#options = options;
  }

  /** Asks any broker that answers: those known from before first. Throws what the last one failed with. */
  async metadata(topics: readonly string[] | undefined): Promise<Metadata> {
    let failure: unknown;
    for (const { host, port } of [...this.#brokers, ...this.#bootstrap]) {
      try {
        const found = await metadata(await this.#connection(host, port, 'ask'), topics);
        this.#brokers = found.brokers;
        return found;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  connection(node: number, purpose: Purpose): Promise<Connection> {
    const broker = this.#brokers.find((candidate) => candidate.node === node);
    if (broker === undefined) throw unreachableError(`broker ${node}`, 'it is not in the cluster now');
    return this.#connection(broker.host, broker.port, purpose);
  }

  /** Commits a group's offsets, for others to see. */
  async commit(group: string, offsets: Parameters<typeof commitOffsets>[2]): Promise<void> {
    const [any] = this.#brokers;
    if (any === undefined) return;
    const { host, port } = await findCoordinator(await this.#connection(any.host, any.port, 'ask'), group);
    await commitOffsets(await this.#connection(host, port, 'ask'), group, offsets);
  }

  close(): void {
    this.#isClosed = true;
    for (const opening of this.#connections.values())
      void opening.then(
        (connection) => connection.close(),
        () => {},
      );
    this.#connections.clear();
  }

  async #connection(host: string, port: number, purpose: Purpose): Promise<Connection> {
    const key = `${host}:${port} ${purpose}`;
    const known = this.#connections.get(key);
    if (known !== undefined) {
      const connection = await known;
      if (connection.isOpen) return connection;
      if (this.#connections.get(key) === known) this.#connections.delete(key);
      else return this.#connection(host, port, purpose);
    }
    if (this.#isClosed) throw unreachableError(`${host}:${port}`, 'this agent is ending');
    const opening = Connection.open({ host, port }, this.#options);
    this.#connections.set(key, opening);
    try {
      const connection = await opening;
      if (this.#isClosed) connection.close();
      return connection;
    } catch (error) {
      this.#connections.delete(key);
      throw error;
    }
  }
}

/** `host:port` or `[v6]:port`. */
function parseAddress(broker: string): Pick<Broker, 'host' | 'port'> {
  const colon = broker.lastIndexOf(':');
  return { host: broker.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(broker.slice(colon + 1)) };
}
