import { randomUUID } from 'node:crypto';
import type { Cursor, Log, ReadOptions, Report, TopicSpec } from '../../src/broker/broker.ts';
import { type KafkaLogOptions, openKafkaLog } from '../../src/broker/kafka/kafka-log.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { LogHarness } from './log-harness.ts';

const SINGLE = { replicationFactor: 1, minInSync: 1, isSingleBroker: true };

/** A log whose topics are a test's own: every name begins with a prefix, so that one broker serves all tests. */
export function ownTopics(log: Log, prefix: string): Log {
  const own = (topic: string): string => `${prefix}.${topic}`;
  return {
    ensureTopics: (specs: readonly TopicSpec[]) =>
      log.ensureTopics(specs.map((spec) => ({ ...spec, topic: own(spec.topic) }))),
    append: (topic, partition, messages) => log.append(own(topic), partition, messages),
    read: (topic: string, partition: number, from: number, options: ReadOptions) =>
      log.read(own(topic), partition, from, options),
    ends: (topic) => log.ends(own(topic)),
    trim: (topic, partition, before) => log.trim(own(topic), partition, before),
    report: (group: string, topic: string, partition: number, cursor: Cursor | undefined) =>
      log.report(group, own(topic), partition, cursor),
    reports: (topic): Promise<readonly Report[]> => log.reports(own(topic)),
    forget: (group) => log.forget(group),
    close: () => log.close(),
  };
}

export interface KafkaHarnessOptions {
  readonly brokers: readonly string[];
  readonly client?: Partial<KafkaLogOptions['client']>;
  readonly topics?: KafkaLogOptions['topics'];
  readonly notify?: KafkaLogOptions['notify'];
}

/** Topics of its own on a cluster that is there. */
export function kafkaLogHarness({ brokers, client, topics = SINGLE, notify }: KafkaHarnessOptions): LogHarness {
  const prefix = `t${randomUUID().slice(0, 8)}`;
  const opened: Log[] = [];
  return {
    async open() {
      const log = openKafkaLog({
        client: { brokers, clientId: 'test', ...client },
        clock: systemClock,
        topicPrefix: prefix,
        topics,
        ...(notify === undefined ? {} : { notify }),
      });
      opened.push(log);
      return ownTopics(log, prefix);
    },
    child: { module: import.meta.url, argument: JSON.stringify({ brokers, prefix }) },
    async close() {
      for (const log of opened) await log.close();
    },
  };
}

/** For other processes: the argument is what {@link kafkaLogHarness} gives them. */
export function openLog(argument: string): Log {
  const { brokers, prefix } = JSON.parse(argument) as { brokers: readonly string[]; prefix: string };
  const client = { brokers, clientId: 'child' };
  return ownTopics(openKafkaLog({ client, clock: systemClock, topicPrefix: prefix, topics: SINGLE }), prefix);
}
