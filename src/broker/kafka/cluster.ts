import { isDenied, isUnknownTopic, protocolType, unknownTopicError, unreachableError } from './kafka-error.ts';
import { type KafkaAddress, type KafkaClientOptions, createErrorFromCode } from './kafkajs.ts';
import { Connection, type Judge } from './wire/connection.ts';
import {
  type CoordinatorKind,
  type Metadata,
  type OffsetRange,
  type Offsets,
  type PartitionLayout,
  commitOffsets,
  findCoordinator,
  logEndOf,
  metadata,
  rangesOf,
} from './wire/requests.ts';

const NO_NODE = -1;

/** Connections that wait for the next short read; a checkpoint reads its epoch back, and a connection costs several round trips. */
const IDLE_MAX = 8;

/** Connections of one broker that are shared; answers come in the order of requests, so what may wait long has its own. */
export type Purpose = 'ask' | 'produce' | 'fetch';

/** What is known of a cluster: its brokers, who leads what, and the connections this process shares. */
export class Cluster {
  readonly #options: KafkaClientOptions;
  readonly #judge: Judge | undefined;
  readonly #bootstrap: readonly KafkaAddress[];
  readonly #nodes = new Map<number, KafkaAddress>();
  readonly #topics = new Map<string, readonly PartitionLayout[]>();
  readonly #connections = new Map<string, Promise<Connection>>();
  readonly #coordinators = new Map<string, KafkaAddress>();
  #controller = NO_NODE;
  #idle: Connection[] = [];
  #turn = 0;
  #isClosed = false;

  /** `judge` makes what connections fail by an error of the caller's kind; without it they are kafkajs' own, with their `type`. */
  constructor(options: KafkaClientOptions, judge?: Judge) {
    this.#options = options;
    this.#judge = judge;
    this.#bootstrap = options.brokers.map(parseAddress);
  }

  /** Who is in the cluster, and what of these topics; undefined asks for all. Throws what the last broker that was asked failed with. */
  async metadata(topics: readonly string[] | undefined): Promise<Metadata> {
    const found = await this.#askAny((connection) => metadata(connection, topics));
    this.#nodes.clear();
    for (const { node, host, port } of found.brokers) this.#nodes.set(node, { host, port });
    this.#controller = found.controller;
    return found;
  }

  /** Partitions in order; cached until {@link forget}. Throws LOG_TOPIC_UNKNOWN where there is no such topic. */
  async layout(topic: string): Promise<readonly PartitionLayout[]> {
    const known = this.#topics.get(topic);
    if (known !== undefined) return known;
    const { topics } = await this.metadata([topic]);
    const { code, partitions } = topics.find((found) => found.topic === topic)!;
    if (code !== 0) {
      const error = createErrorFromCode(code);
      throw isUnknownTopic(error) ? unknownTopicError(topic, error) : error;
    }
    if (partitions.length === 0) throw unknownTopicError(topic);
    this.#topics.set(topic, partitions);
    return partitions;
  }

  /** Who leads is asked again at the next use. */
  forget(topic: string): void {
    this.#topics.delete(topic);
  }

  async leader(topic: string, partition: number): Promise<KafkaAddress> {
    const layout = (await this.layout(topic))[partition];
    if (layout === undefined) throw unknownTopicError(`${topic}/${partition}`);
    const address = this.#nodes.get(layout.leader);
    if (layout.leader !== NO_NODE && address !== undefined) return address;
    this.forget(topic);
    throw unreachableError(`${topic}/${partition}`, 'none of its replicas is there', 'no broker leads it');
  }

  /** A shared connection to a broker by its number. */
  async connectionTo(node: number, purpose: Purpose): Promise<Connection> {
    const address = this.#nodes.get(node);
    if (address === undefined) throw unreachableError(`broker ${node}`, 'it is not in the cluster now');
    return this.connection(address, purpose);
  }

  /** A shared connection to one broker. */
  async connection(address: KafkaAddress, purpose: Purpose): Promise<Connection> {
    const key = `${address.host}:${address.port} ${purpose}`;
    const known = this.#connections.get(key);
    if (known !== undefined) {
      const connection = await known;
      if (connection.isOpen) return connection;
      if (this.#connections.get(key) === known) this.#connections.delete(key);
    }
    let opening = this.#connections.get(key);
    if (opening === undefined) {
      opening = this.open(address);
      this.#connections.set(key, opening);
      opening.catch(() => this.#connections.delete(key));
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

  /** Any broker that answers, the same one as long as it does; those that are known, and those of the configuration. */
  any(): Promise<Connection> {
    return this.#askAny(async (connection) => connection);
  }

  async #askAny<T>(ask: (connection: Connection) => Promise<T>): Promise<T> {
    const addresses = [...this.#nodes.values(), ...this.#bootstrap];
    let failure: unknown;
    for (let attempt = 0; attempt < addresses.length; attempt++) {
      try {
        return await ask(await this.connection(addresses[this.#turn % addresses.length]!, 'ask'));
      } catch (error) {
        if (isDenied(error)) throw error;
        // Who does not answer is not asked first again: where packets vanish, each try costs seconds.
        this.#turn++;
        failure = error;
      }
    }
    throw failure;
  }

  /** First offset and end of each partition. */
  async ends(topic: string): Promise<readonly OffsetRange[]> {
    const layout = await this.layout(topic);
    return Promise.all(layout.map((_, partition) => this.endsOf(topic, partition)));
  }

  async endsOf(topic: string, partition: number): Promise<OffsetRange> {
    const ask = async (connection: Connection): Promise<OffsetRange> =>
      (await rangesOf(connection, topic, [partition])).get(partition)!;
    return this.#askLeader(topic, partition, ask);
  }

  /** The end of what the leader has, of which consumers see only what all replicas in sync have as well. */
  async logEndOf(topic: string, partition: number): Promise<number> {
    return this.#askLeader(topic, partition, (connection) => logEndOf(connection, topic, partition));
  }

  async deleteBefore(topic: string, partition: number, offset: number): Promise<void> {
    await this.#askLeader(topic, partition, async ({ broker }) => {
      await broker.deleteRecords({ topics: [{ topic, partitions: [{ partition, offset: `${offset}` }] }] });
    });
  }

  /** After any error who leads is asked again. */
  async #askLeader<T>(topic: string, partition: number, ask: (connection: Connection) => Promise<T>): Promise<T> {
    try {
      return await ask(await this.connection(await this.leader(topic, partition), 'ask'));
    } catch (error) {
      this.forget(topic);
      throw innerError(error);
    }
  }

  /** Asks the controller; after an error the next {@link layout} says who that is. */
  async createTopic(wanted: object, timeoutMs: number): Promise<void> {
    const controller = this.#nodes.get(this.#controller);
    const connection = controller === undefined ? await this.any() : await this.connection(controller, 'ask');
    try {
      await connection.broker.createTopics({ topics: [wanted], timeout: timeoutMs });
    } catch (error) {
      throw innerError(error);
    }
  }

  /** Commits offsets for a group nobody is a member of, so that lag exporters see them. */
  async commitOffsets(group: string, offsets: Offsets): Promise<void> {
    await this.#withCoordinator('group', group, (connection) => commitOffsets(connection, group, offsets));
  }

  async deleteGroup(group: string): Promise<void> {
    await this.#withCoordinator('group', group, async ({ broker }) => {
      try {
        await broker.deleteGroups([group]);
      } catch (error) {
        if (protocolType(error) !== 'GROUP_ID_NOT_FOUND') throw error;
      }
    });
  }

  /** Asks the coordinator of a transactional id. */
  withTransactionCoordinator<T>(name: string, ask: (connection: Connection) => Promise<T>): Promise<T> {
    return this.#withCoordinator('transaction', name, ask);
  }

  /** After any error who that is is asked again. */
  async #withCoordinator<T>(
    kind: CoordinatorKind,
    name: string,
    ask: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const key = `${kind} ${name}`;
    try {
      const address = this.#coordinators.get(key) ?? (await this.coordinatorOf(name, kind));
      this.#coordinators.set(key, address);
      return await ask(await this.connection(address, 'ask'));
    } catch (error) {
      this.#coordinators.delete(key);
      throw innerError(error);
    }
  }

  /** The broker that keeps a group, or a transactional id; not cached. */
  async coordinatorOf(name: string, kind: CoordinatorKind): Promise<KafkaAddress> {
    return findCoordinator(await this.any(), name, kind);
  }

  close(): void {
    this.#isClosed = true;
    for (const opening of this.#connections.values())
      opening.then((connection) => connection.close()).catch(() => undefined);
    this.#connections.clear();
    for (const connection of this.#idle.splice(0)) connection.close();
  }
}

/** What one topic or partition failed by: kafkajs wraps it in an error without a `type`. */
function innerError(error: unknown): unknown {
  const { errors, partitions } = error as { errors?: unknown[]; partitions?: { readonly error: unknown }[] };
  return errors?.[0] ?? partitions?.[0]?.error ?? error;
}

/** `host:port`, `[v6]:port`. */
function parseAddress(broker: string): KafkaAddress {
  const colon = broker.lastIndexOf(':');
  return { host: broker.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(broker.slice(colon + 1)) };
}
