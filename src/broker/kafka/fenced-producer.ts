import type { Clock } from '../../lib/clock.ts';
import { EXIT, OperatingError } from '../../lib/errors.ts';
import type { Cluster } from './cluster.ts';
import { protocolType } from './kafka-error.ts';
import type { WireBroker } from './kafkajs.ts';
import type { Patience } from './patience.ts';

/** What a batch says of its writer, so that the broker can tell an older one. */
export interface BatchStamp {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

interface Identity {
  readonly producerId: string;
  readonly producerEpoch: number;
}

export interface FencedProducerDependencies {
  readonly cluster: Cluster;
  readonly patience: Patience;
  readonly clock: Clock;
}

/** An empty transaction takes some round trips. */
const TRANSACTION_TIMEOUT_MS = 10_000;
/**
 * A partition's leader forgets a writer after a day without a record of it (`producer.id.expiration.ms`), a coordinator a name after 7 days without
 * a transaction (`transactional.id.expiration.ms`): whoever forgets can refuse nobody.
 */
const CONFIRM_AFTER_MS = 6 * 3600 * 1000;
const FENCED = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'INVALID_PRODUCER_ID_MAPPING']);

/**
 * The only writer of a topic under a name. Kafka's transactions are used for one thing in them: a new writer gets the same producer id with a
 * higher epoch, and the marker of an aborted, empty transaction tells every partition's leader, which refuses whatever an older writer
 * still sends (KIP-98, "zombie fencing"). What the older one had written before that is there to be read.
 */
export class FencedProducer {
  readonly #deps: FencedProducerDependencies;
  readonly #name: string;
  readonly #topic: string;
  readonly #sequences: number[];
  readonly #identity: Identity;
  #confirmedMs: number;
  #confirming: Promise<void> | undefined;

  private constructor(deps: FencedProducerDependencies, name: string, topic: string, parts: Parts) {
    this.#deps = deps;
    this.#name = name;
    this.#topic = topic;
    this.#identity = parts.identity;
    this.#sequences = Array.from({ length: parts.partitions }, () => 0);
    this.#confirmedMs = deps.clock.monotonicMs();
  }

  /** Resolves when nobody who opened it before can write any more. */
  static async open(
    deps: FencedProducerDependencies,
    name: string,
    topic: string,
    partitions: number,
  ): Promise<FencedProducer> {
    const { cluster, patience } = deps;
    let marked: Identity | undefined;
    const identity = await patience.retry(name, () =>
      cluster.withTransactionCoordinator(name, async ({ broker }) => {
        if (marked === undefined) {
          const first = await initialise(broker, name);
          await mark(broker, name, topic, partitions, first);
          marked = first;
        }
        // Answered only when the markers are in all partitions: until then there is a transaction under way, and it is asked again.
        const own = await initialise(broker, name);
        // Somebody else came in between, and may write with an epoch that no marker tells the leaders to refuse.
        const isNext = own.producerId === marked.producerId && own.producerEpoch === marked.producerEpoch + 1;
        marked = undefined;
        if (!isNext) throw new Error('another process opened the same topic meanwhile');
        return own;
      }),
    );
    return new FencedProducer(deps, name, topic, { identity, partitions });
  }

  /** For the next batch of a partition. */
  stamp(partition: number, records: number): BatchStamp {
    const { producerId, producerEpoch } = this.#identity;
    const baseSequence = this.#sequences[partition]!;
    this.#sequences[partition] = (baseSequence + records) % 2 ** 31;
    return { producerId: BigInt(producerId), producerEpoch, baseSequence };
  }

  /** Before an append, some times a day: keeps the memory of brokers alive, and is told where somebody else has become the writer. Throws as `asFenced` says. */
  async confirm(): Promise<void> {
    if (this.#deps.clock.monotonicMs() - this.#confirmedMs < CONFIRM_AFTER_MS) return;
    // Partitions are appended to side by side, and one question is for all of them.
    this.#confirming ??= this.#ask().finally(() => (this.#confirming = undefined));
    await this.#confirming;
  }

  async #ask(): Promise<void> {
    const { clock, cluster, patience } = this.#deps;
    const work = (): Promise<void> =>
      cluster.withTransactionCoordinator(this.#name, async ({ broker }) => {
        try {
          await mark(broker, this.#name, this.#topic, this.#sequences.length, this.#identity);
        } catch (error) {
          throw asFenced(error, this.#topic);
        }
      });
    await patience.retry(this.#name, work);
    this.#confirmedMs = clock.monotonicMs();
  }
}

interface Parts {
  readonly identity: Identity;
  readonly partitions: number;
}

async function initialise(broker: WireBroker, name: string): Promise<Identity> {
  try {
    return await broker.initProducerId({ transactionalId: name, transactionTimeout: TRANSACTION_TIMEOUT_MS });
  } catch (cause) {
    if (protocolType(cause) !== 'INVALID_TRANSACTION_TIMEOUT') throw cause;
    throw new OperatingError(`${name}: the cluster allows no transaction of ${TRANSACTION_TIMEOUT_MS / 1000} s`, {
      code: 'EVENTS_NO_TRANSACTION',
      exitCode: EXIT.config,
      hint: 'raise transaction.max.timeout.ms of the brokers',
      cause,
    });
  }
}

async function mark(
  broker: WireBroker,
  name: string,
  topic: string,
  partitions: number,
  { producerId, producerEpoch }: Identity,
): Promise<void> {
  const own = { transactionalId: name, producerId, producerEpoch };
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  await broker.addPartitionsToTxn({ ...own, topics: [{ topic, partitions: all }] });
  await broker.endTxn({ ...own, transactionResult: false });
}

/** `LOG_FENCED` where a broker knows a newer writer; any other error as it is. */
export function asFenced(error: unknown, topic: string): unknown {
  const type = protocolType(error) ?? protocolType((error as { cause?: unknown }).cause);
  if (type === undefined || !FENCED.has(type)) return error;
  const why =
    type === 'INVALID_PRODUCER_ID_MAPPING'
      ? 'the cluster has forgotten who its writer is'
      : 'another process has become its writer';
  return new OperatingError(`${topic}: ${why}; nothing was written`, {
    code: 'LOG_FENCED',
    exitCode: EXIT.fenced,
    hint: 'started again it stands by where it is the turn of another host, and goes on where it is not',
    cause: error,
  });
}
