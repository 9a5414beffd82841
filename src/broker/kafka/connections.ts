import { unreachableError } from './kafka-error.ts';
import type { KafkaAddress, KafkaClientOptions } from './kafkajs.ts';
import { Connection, type Judge } from './wire/connection.ts';

/** Connections that wait for the next short read; a checkpoint reads its epoch back, and a connection costs several round trips. */
const IDLE_MAX = 8;

/** What a shared connection is for; answers come in the order of requests, so what may wait long has its own. */
export type Purpose = 'ask' | 'produce' | 'fetch';

/** The connections of this process to the brokers of a cluster: one a broker and purpose that is shared, and those that are lent. */
export class Connections {
  readonly #options: KafkaClientOptions;
  readonly #judge: Judge | undefined;
  readonly #shared = new Map<string, Promise<Connection>>();
  #idle: Connection[] = [];
  #isClosed = false;

  constructor(options: KafkaClientOptions, judge: Judge | undefined) {
    this.#options = options;
    this.#judge = judge;
  }

  /** A shared connection to one broker. */
  async to(address: KafkaAddress, purpose: Purpose): Promise<Connection> {
    const key = `${address.host}:${address.port} ${purpose}`;
    const known = this.#shared.get(key);
    if (known !== undefined) {
      const connection = await known;
      if (connection.isOpen) return connection;
      if (this.#shared.get(key) === known) this.#shared.delete(key);
    }
    let opening = this.#shared.get(key);
    if (opening === undefined) {
      opening = this.open(address);
      this.#shared.set(key, opening);
      opening.catch(() => this.#shared.delete(key));
    }
    return opening;
  }

  /** A connection of the caller's own, since a fetch that waits holds up everything behind it. It is closed, or given back. */
  async borrow(address: KafkaAddress): Promise<Connection> {
    const isThere = ({ host, port }: KafkaAddress): boolean => host === address.host && port === address.port;
    this.#idle = this.#idle.filter((connection) => connection.isOpen);
    const index = this.#idle.findIndex((connection) => isThere(connection.address));
    return index < 0 ? this.open(address) : this.#idle.splice(index, 1)[0]!;
  }

  /** Only without a request under way. */
  giveBack(connection: Connection): void {
    if (this.#isClosed || !connection.isOpen || this.#idle.length >= IDLE_MAX) connection.close();
    else this.#idle.push(connection);
  }

  /** A connection for the caller's whole life, to be closed by it. */
  async open(address: KafkaAddress): Promise<Connection> {
    if (this.#isClosed) throw unreachableError(`${address.host}:${address.port}`, 'this process is ending');
    const connection = await Connection.open(address, this.#options, this.#judge);
    if (this.#isClosed) connection.close();
    return connection;
  }

  close(): void {
    this.#isClosed = true;
    for (const opening of this.#shared.values())
      opening.then((connection) => connection.close()).catch(() => undefined);
    this.#shared.clear();
    for (const connection of this.#idle.splice(0)) connection.close();
  }
}
