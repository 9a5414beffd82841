import { randomBytes } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import { EXIT, OperatingError } from '../../lib/errors.ts';
import { encodeGenesis } from '../../record/control.ts';
import type { TopicSpec } from '../broker.ts';
import type { Cluster } from './cluster.ts';
import { recordOf } from './message.ts';
import type { Patience } from './patience.ts';
import type { KafkaRecord } from './record-batch.ts';
import { type TopicKind, type TopicSettings, assertSafe, topicConfig } from './topic-config.ts';
import type { PartitionLayout } from './wire/requests.ts';

const LOG_ID_BYTES = 16;
/** Who made a topic appends its genesis; the others wait this long before they do it themselves. */
const GENESIS_WAIT_MS = 3_000;
const GENESIS_POLL_MS = 50;

export interface TopicsDependencies {
  readonly cluster: Cluster;
  readonly patience: Patience;
  readonly clock: Clock;
  readonly settings: TopicSettings;
  readonly append: (topic: string, partition: number, records: readonly KafkaRecord[]) => Promise<number>;
  /** A group that has read something of a topic, by what it has reported. */
  readonly readerOf?: (topic: string) => Promise<string | undefined>;
}

/** Topics as this log needs them: made when they are missing, checked when they are there. */
export class Topics {
  readonly #deps: TopicsDependencies;

  constructor(deps: TopicsDependencies) {
    this.#deps = deps;
  }

  async ensure(spec: TopicSpec, kind: TopicKind): Promise<void> {
    const { patience } = this.#deps;
    const isNew = await patience.retry(spec.topic, () => this.#createIfMissing(spec, kind));
    const layout = await patience.retry(spec.topic, () => this.#checked(spec, kind));
    if (kind === 'log')
      await Promise.all(layout.map((_, partition) => this.#ensureGenesis(spec.topic, partition, isNew)));
  }

  /** True if this call made it. */
  async #createIfMissing(spec: TopicSpec, kind: TopicKind): Promise<boolean> {
    const { cluster, settings } = this.#deps;
    if (await cluster.hasTopic(spec.topic)) return false;
    const reader = kind === 'log' ? await this.#deps.readerOf?.(spec.topic) : undefined;
    if (reader !== undefined) throw deletedError(spec.topic, reader);
    const topic = {
      topic: spec.topic,
      numPartitions: spec.partitions,
      replicationFactor: settings.replicationFactor,
      configEntries: topicConfig(spec, kind, settings),
    };
    return cluster.createTopic(topic, 'start more brokers, or say that one is meant: broker.single_broker: true');
  }

  async #checked(spec: TopicSpec, kind: TopicKind): Promise<readonly PartitionLayout[]> {
    const { cluster, settings } = this.#deps;
    let layout: readonly PartitionLayout[];
    try {
      layout = await cluster.layout(spec.topic);
      if (layout.some(({ leader }) => leader < 0)) throw new Error('a partition has no leader yet');
    } catch (error) {
      cluster.forget(spec.topic);
      // Made a moment ago, and not known to every broker.
      if (error instanceof OperatingError && error.code === 'LOG_TOPIC_UNKNOWN') throw new Error(error.message);
      throw error;
    }
    const config = await cluster.configOf(spec.topic);
    assertSafe({
      spec,
      kind,
      config,
      settings,
      replicas: Math.min(...layout.map(({ replicas }) => replicas.length)),
      partitions: layout.length,
    });
    return layout;
  }

  /**
   * The first record of a partition names the log. Who made the topic appends it; whoever comes later appends one only where none has come
   * for a while. Two of them do no harm: readers take the first.
   */
  async #ensureGenesis(topic: string, partition: number, isMine: boolean): Promise<void> {
    const { clock, cluster, patience } = this.#deps;
    const deadlineMs = clock.monotonicMs() + (isMine ? 0 : GENESIS_WAIT_MS);
    await patience.retry(`${topic}/${partition}`, async () => {
      for (;;) {
        const { end } = await cluster.endsOf(topic, partition);
        if (end > 0) return;
        if (clock.monotonicMs() >= deadlineMs) break;
        await clock.sleep(GENESIS_POLL_MS);
      }
      await this.#deps.append(topic, partition, [recordOf(genesis())]);
    });
  }
}

function genesis(): Parameters<typeof recordOf>[0] {
  const header = encodeGenesis({ log: randomBytes(LOG_ID_BYTES).toString('hex') });
  return { kind: 'genesis', header, value: new Uint8Array(0) };
}

/** Made anew it would be another log under the old name: what is written there would count for nobody who remembers the old one. */
function deletedError(topic: string, reader: string): OperatingError {
  return new OperatingError(`topic '${topic}' is gone: it was there, and group ${reader} has read of it`, {
    code: 'LOG_TOPIC_DELETED',
    hint: 'bring it back from a copy; give the pipeline or sink another name where it was deleted on purpose; or begin anew, with an empty data_dir and another topic_prefix, or none of the topics of this one left, <prefix>.cursors among them',
    exitCode: EXIT.mismatch,
  });
}
