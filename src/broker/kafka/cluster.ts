import {
  badAnswerError,
  checkedAddress,
  checkedOffset,
  isDenied,
  isUnknownTopic,
  protocolType,
  unknownTopicError,
  unreachableError,
} from './kafka-error.ts';
import { type KafkaAddress, type KafkaClientOptions, WireConnection, createErrorFromCode } from './kafkajs.ts';
import { metadataRequest } from './topic-request.ts';

/** One partition as the cluster describes it; `leader` is negative where none is there. */
export interface PartitionLayout {
  readonly leader: number;
  readonly replicas: readonly number[];
}

const NO_LEADER = -1;
const EARLIEST = -2;
const LATEST = -1;
/** Who asks so is a consumer, and hears of what is committed; or a tool that looks at a leader's own log. */
const CONSUMER = -1;
const DEBUGGER = -2;
const COORDINATOR = { group: 0, transaction: 1 } as const;

/** Connections that wait for the next short read; a checkpoint reads its epoch back, and a connection costs several round trips. */
const IDLE_MAX = 8;

/** Connections of one broker that are shared; answers come in the order of requests, so what may wait long has its own. */
export type Purpose = 'ask' | 'produce';

/** What is known of the cluster: its brokers, who leads what, and the connections this process shares. */
export class Cluster {
  readonly #options: KafkaClientOptions;
  readonly #nodes = new Map<number, KafkaAddress>();
  readonly #topics = new Map<string, readonly PartitionLayout[]>();
  readonly #connections = new Map<string, Promise<WireConnection>>();
  readonly #coordinators = new Map<string, KafkaAddress>();
  #controller = NO_LEADER;
  #idle: WireConnection[] = [];
  #turn = 0;
  #isClosed = false;

  constructor(options: KafkaClientOptions) {
    this.#options = options;
  }

  /** Partitions in order; cached until {@link forget}. Throws LOG_TOPIC_UNKNOWN where there is no such topic. */
  async layout(topic: string): Promise<readonly PartitionLayout[]> {
    const known = this.#topics.get(topic);
    if (known !== undefined) return known;
    const connection = await this.any();
    const found = await connection.send(metadataRequest(topic));
    this.#nodes.clear();
    for (const { node, host, port } of found.brokers) this.#nodes.set(node, { host, port });
    this.#controller = found.controller;
    if (found.errorCode !== 0) {
      const error = createErrorFromCode(found.errorCode);
      throw isUnknownTopic(error) ? unknownTopicError(topic, error) : error;
    }
    const layout = found.partitions;
    if (layout.length === 0) throw unknownTopicError(topic);
    this.#topics.set(topic, layout);
    return layout;
  }

  /** Who leads is asked again at the next use. */
  forget(topic: string): void {
    this.#topics.delete(topic);
  }

  async leader(topic: string, partition: number): Promise<KafkaAddress> {
    const layout = (await this.layout(topic))[partition];
    if (layout === undefined) throw unknownTopicError(`${topic}/${partition}`);
    const address = this.#nodes.get(layout.leader);
    if (layout.leader !== NO_LEADER && address !== undefined) return address;
    this.forget(topic);
    throw unreachableError(`${topic}/${partition}`, 'none of its replicas is there', 'no broker leads it');
  }

  /** A shared connection to one broker. */
  async connection(address: KafkaAddress, purpose: Purpose): Promise<WireConnection> {
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
  async borrow(address: KafkaAddress): Promise<WireConnection> {
    const isThere = ({ host, port }: KafkaAddress): boolean => host === address.host && port === address.port;
    this.#idle = this.#idle.filter((connection) => connection.isOpen);
    const index = this.#idle.findIndex((connection) => isThere(connection.address));
    return index < 0 ? this.open(address) : this.#idle.splice(index, 1)[0]!;
  }

  /** Only without a request under way. */
  giveBack(connection: WireConnection): void {
    if (this.#isClosed || !connection.isOpen || this.#idle.length >= IDLE_MAX) connection.close();
    else this.#idle.push(connection);
  }

  /** A connection for the caller's whole life, to be closed by it. */
  async open(address: KafkaAddress): Promise<WireConnection> {
    const connection = await WireConnection.open(address, this.#options);
    if (this.#isClosed) connection.close();
    return connection;
  }

  /** Any broker that answers, the same one as long as it does; those that are known, and those of the configuration. */
  async any(): Promise<WireConnection> {
    const addresses = [...this.#nodes.values(), ...this.#options.brokers.map(parseAddress)];
    let failure: unknown;
    for (let attempt = 0; attempt < addresses.length; attempt++) {
      try {
        return await this.connection(addresses[this.#turn % addresses.length]!, 'ask');
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
  async ends(topic: string): Promise<Array<{ start: number; end: number }>> {
    const layout = await this.layout(topic);
    return Promise.all(layout.map((_, partition) => this.endsOf(topic, partition)));
  }

  async endsOf(topic: string, partition: number): Promise<{ start: number; end: number }> {
    return this.#askLeader(topic, partition, async (connection) => {
      const ask = (timestamp: number): Promise<number> => offsetAt(connection, { topic, partition, timestamp });
      const [start, end] = await Promise.all([ask(EARLIEST), ask(LATEST)]);
      return { start, end };
    });
  }

  /** The end of what the leader has, of which consumers see only what all replicas in sync have as well. */
  async logEndOf(topic: string, partition: number): Promise<number> {
    const place = { topic, partition, timestamp: LATEST };
    return this.#askLeader(topic, partition, (connection) => offsetAt(connection, place, DEBUGGER));
  }

  async deleteBefore(topic: string, partition: number, offset: number): Promise<void> {
    await this.#askLeader(topic, partition, async ({ broker }) => {
      await broker.deleteRecords({ topics: [{ topic, partitions: [{ partition, offset: `${offset}` }] }] });
    });
  }

  /** After any error who leads is asked again. */
  async #askLeader<T>(topic: string, partition: number, ask: (connection: WireConnection) => Promise<T>): Promise<T> {
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
  async commitOffsets(group: string, topics: ReadonlyMap<string, ReadonlyMap<number, number>>): Promise<void> {
    try {
      const connection = await this.#coordinator(group);
      await connection.broker.offsetCommit({
        groupId: group,
        groupGenerationId: -1,
        memberId: '',
        topics: [...topics].map(([topic, partitions]) => ({
          topic,
          partitions: [...partitions].map(([partition, offset]) => ({ partition, offset: `${offset}` })),
        })),
      });
    } catch (error) {
      this.#coordinators.delete(`group ${group}`);
      throw error;
    }
  }

  async deleteGroup(group: string): Promise<void> {
    try {
      const connection = await this.#coordinator(group);
      await connection.broker.deleteGroups([group]);
    } catch (error) {
      if (protocolType(error) === 'GROUP_ID_NOT_FOUND') return;
      this.#coordinators.delete(`group ${group}`);
      throw error;
    }
  }

  /** Asks the coordinator of a transactional id; after any error who that is is asked again. */
  async withTransactionCoordinator<T>(name: string, ask: (connection: WireConnection) => Promise<T>): Promise<T> {
    try {
      return await ask(await this.#coordinator(name, 'transaction'));
    } catch (error) {
      this.#coordinators.delete(`transaction ${name}`);
      throw innerError(error);
    }
  }

  /** The broker that keeps a group, or a transactional id; not cached. */
  async coordinatorOf(name: string, kind: keyof typeof COORDINATOR): Promise<KafkaAddress> {
    const { broker, address } = await this.any();
    const found = await broker.findGroupCoordinator({ groupId: name, coordinatorType: COORDINATOR[kind] });
    return readAnswer(address, () => checkedAddress(found.coordinator));
  }

  async #coordinator(name: string, kind: keyof typeof COORDINATOR = 'group'): Promise<WireConnection> {
    const key = `${kind} ${name}`;
    let address = this.#coordinators.get(key);
    if (address === undefined) {
      address = await this.coordinatorOf(name, kind);
      this.#coordinators.set(key, address);
    }
    return this.connection(address, 'ask');
  }

  /** Drops a shared connection whose answers cannot be trusted to come any more. */
  drop(connection: WireConnection): void {
    connection.close();
  }

  close(): void {
    this.#isClosed = true;
    for (const opening of this.#connections.values())
      opening.then((connection) => connection.close()).catch(() => undefined);
    this.#connections.clear();
    for (const connection of this.#idle.splice(0)) connection.close();
  }
}

async function offsetAt(
  { broker, address }: WireConnection,
  { topic, ...place }: { readonly topic: string; readonly partition: number; readonly timestamp: number },
  replicaId = CONSUMER,
): Promise<number> {
  const { responses } = await broker.listOffsets({
    replicaId,
    isolationLevel: 0,
    topics: [{ topic, partitions: [place] }],
  });
  return readAnswer(address, () => checkedOffset(responses[0]?.partitions[0]?.offset));
}

/** Looks at an answer that kafkajs has read: what is wrong with it is the broker's. */
export function readAnswer<T>({ host, port }: KafkaAddress, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) throw badAnswerError(`${host}:${port}`, error);
    throw error;
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
