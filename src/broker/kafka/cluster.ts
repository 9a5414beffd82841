import { OperatingError } from '../../lib/errors.ts';
import { Connections, type Purpose } from './connections.ts';
import {
  readAnswer,
  tooFewBrokersError,
  isDenied,
  isUnknownTopic,
  protocolType,
  unknownTopicError,
  unreachableError,
} from './kafka-error.ts';
import { type KafkaAddress, type KafkaClientOptions, createErrorFromCode } from './kafkajs.ts';
import type { Connection, Judge } from './wire/connection.ts';
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

const TOPIC_RESOURCE = 2;
const CREATE_TIMEOUT_MS = 10_000;

/** A topic to be made. */
export interface NewTopic {
  readonly topic: string;
  readonly numPartitions: number;
  readonly replicationFactor: number;
  readonly configEntries?: readonly { readonly name: string; readonly value: string }[];
}

/** What is known of a cluster: its brokers, its topics, who leads what, and who keeps a group. */
export class Cluster {
  readonly connections: Connections;
  readonly #bootstrap: readonly KafkaAddress[];
  readonly #nodes = new Map<number, KafkaAddress>();
  readonly #topics = new Map<string, readonly PartitionLayout[]>();
  readonly #batchBytesMax = new Map<string, Promise<number>>();
  readonly #coordinators = new Map<string, KafkaAddress>();
  #controller = NO_NODE;
  #turn = 0;

  /** `judge` makes what connections fail by an error of the caller's kind; without it they are kafkajs' own, with their `type`. */
  constructor(options: KafkaClientOptions, judge?: Judge) {
    this.connections = new Connections(options, judge);
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
    return this.connections.to(address, purpose);
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
        return await ask(await this.connections.to(addresses[this.#turn % addresses.length]!, 'ask'));
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
      return await ask(await this.connections.to(await this.leader(topic, partition), 'ask'));
    } catch (error) {
      this.forget(topic);
      throw innerError(error);
    }
  }

  async hasTopic(topic: string): Promise<boolean> {
    try {
      await this.layout(topic);
      return true;
    } catch (error) {
      if (error instanceof OperatingError && error.code === 'LOG_TOPIC_UNKNOWN') return false;
      throw error;
    }
  }

  /**
   * True if this call made it, false if another did. Asks the controller; after an error the next {@link layout} says who that is. Throws
   * LOG_REPLICATION with a `hint` where there are fewer brokers than it needs.
   */
  async createTopic(wanted: NewTopic, hint: string): Promise<boolean> {
    const controller = this.#nodes.get(this.#controller);
    const connection = controller === undefined ? await this.any() : await this.connections.to(controller, 'ask');
    try {
      await connection.broker.createTopics({ topics: [wanted], timeout: CREATE_TIMEOUT_MS });
      return true;
    } catch (wrapped) {
      const error = innerError(wrapped);
      if (protocolType(error) === 'TOPIC_ALREADY_EXISTS') return false;
      if (protocolType(error) === 'INVALID_REPLICATION_FACTOR')
        throw tooFewBrokersError(wanted.topic, wanted.replicationFactor, hint, error);
      throw error;
    }
  }

  /** A topic's settings, with `max.message.bytes` among them. */
  async configOf(topic: string): Promise<ReadonlyMap<string, string>> {
    const { broker, name } = await this.any();
    const { resources } = await broker.describeConfigs({ resources: [{ type: TOPIC_RESOURCE, name: topic }] });
    return readAnswer(name, () => {
      const entries = resources.find(({ resourceName }) => resourceName === topic)?.configEntries ?? [];
      const config = new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
      const bytesMax = Number(config.get('max.message.bytes'));
      if (!(bytesMax > 0)) throw new RangeError(`it describes no topic '${topic}'`);
      this.#batchBytesMax.set(topic, Promise.resolve(bytesMax));
      return config;
    });
  }

  /** The topic's `max.message.bytes`, as it was when its settings were last asked for. */
  batchBytesMax(topic: string): Promise<number> {
    const known = this.#batchBytesMax.get(topic);
    if (known !== undefined) return known;
    const asking = this.configOf(topic).then((config) => Number(config.get('max.message.bytes')));
    this.#batchBytesMax.set(topic, asking);
    asking.catch(() => this.#batchBytesMax.delete(topic));
    return asking;
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
      return await ask(await this.connections.to(address, 'ask'));
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
    this.connections.close();
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
