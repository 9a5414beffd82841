import { writeFileSync } from 'node:fs';
import { type Log, type OutgoingMessage, epochTopic, rawTopic } from '../../src/broker/broker.ts';
import { openKafkaLog } from '../../src/broker/kafka/kafka-log.ts';
import { decodeBody } from '../../src/epoch/codec.ts';
import { foldFromStart } from '../../src/epoch/fold-start.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { AccessLoad } from '../support/access-load.ts';
import { type Appliance, type ApplianceOptions, endOf } from '../support/appliance.ts';
import { kafkaOfBlock } from '../support/kafka-of-block.ts';
import { beginLoad } from '../support/load-runs.ts';
import { showsMutant } from '../support/shows-mutant.ts';
import { describeWith } from '../support/stack/require-stack.ts';
import { type Tailrace, until } from '../support/tailrace-process.ts';
import { startSecond, twoEngines } from '../support/two-engines.ts';

describeWith('kafka')('protocol mutants on Kafka', () => {
  const server = kafkaOfBlock();

  const options = (): ApplianceOptions => ({ outOfOrderness: '5m', idleTimeout: '10s', kafka: server.probe });
  /** Keeps every epoch in the log, so that those that do not count can be counted. */
  const untrimmed = (): ApplianceOptions => ({ ...options(), snapshotAfter: '64MiB' });
  const openLog = (topicPrefix: string): Log =>
    openKafkaLog({
      client: { brokers: server.kafka.brokers, clientId: 'test' },
      clock: systemClock,
      topicPrefix,
      topics: { replicationFactor: 1, minInSync: 1, isSingleBroker: true },
    });

  /**
   * Keeps both at work until an epoch with lines in it does not count. The one that froze may find its connection broken and fold again, or have
   * read no line when it is fenced: then it is started once more.
   */
  async function untilFenced(
    appliance: Appliance,
    both: Tailrace[],
    start: readonly (() => Tailrace)[],
  ): Promise<void> {
    const log = openLog(appliance.topicPrefix);
    const topic = epochTopic(appliance.topicPrefix, 'web', 'access');
    const fold = await foldFromStart(log, topic, 0);
    let isThere = false;
    const look = async (): Promise<boolean> => {
      for await (const messages of log.read(topic, 0, fold.nextOffset, { isFollowing: false })) {
        for (const message of messages) {
          const { uncounted } = fold;
          fold.push(message);
          if (fold.uncounted > uncounted && message.kind === 'epoch')
            isThere ||= decodeBody(message.value).ledger.some(({ sum }) => sum.lines > 0);
        }
      }
      for (const [index, { child }] of both.entries())
        if (!isThere && (child.exitCode ?? child.signalCode) !== null) both[index] = start[index]!();
      return isThere;
    };
    await until(look, 60_000, () => `both engines count: ${appliance.report()}`);
    await log.close();
  }

  // The two workers are as two of a group that both believe in a partition: whatever assigned it, the log decides.
  showsMutant('epoch.every_counts', untrimmed, async (appliance, environment) => {
    const writer = await beginLoad(appliance, 3_000);
    const { first, second } = await twoEngines(appliance, environment);
    await untilFenced(
      appliance,
      [first, second],
      [() => appliance.role('engine', environment), () => startSecond(appliance, environment)],
    );
    writer.stop();
  });

  showsMutant('block.no_high_water_mark', options, async (appliance, environment) => {
    writeFileSync(appliance.log('access.log'), new AccessLoad({ seed: 12 }).lines(20_000));
    const agent = appliance.start(['agent', '--once', '-c', appliance.config], environment);
    await endOf(agent);
    // A client that sends everything once more, late, as one may that never got its answers.
    const log = openLog(appliance.topicPrefix);
    const topic = rawTopic(appliance.topicPrefix, 'access');
    const blocks: OutgoingMessage[] = [];
    for await (const messages of log.read(topic, 0, 0, { isFollowing: false })) {
      for (const { kind, header, value } of messages) if (kind === 'block') blocks.push({ kind, header, value });
    }
    for (const block of blocks) await log.append(topic, 0, [block]);
    await log.close();
  });
});
