import { writeFileSync } from 'node:fs';
import { type Log, type OutgoingMessage, rawTopic } from '../../src/broker/broker.ts';
import { openKafkaLog } from '../../src/broker/kafka/kafka-log.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { AccessLoad } from '../support/access-load.ts';
import { type ApplianceOptions, endOf } from '../support/appliance.ts';
import { kafkaOfBlock } from '../support/kafka-of-block.ts';
import { beginLoad } from '../support/load-runs.ts';
import { showsMutant } from '../support/shows-mutant.ts';
import { describeWith } from '../support/stack/require-stack.ts';
import { twoEngines, untilUncounted } from '../support/two-engines.ts';

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

  // The two workers are as two of a group that both believe in a partition: whatever assigned it, the log decides.
  showsMutant('epoch.every_counts', untrimmed, async (appliance, environment) => {
    const writer = await beginLoad(appliance, 3_000);
    const engines = await twoEngines(appliance, environment);
    const log = openLog(appliance.topicPrefix);
    await untilUncounted(appliance, engines, log, environment);
    await log.close();
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
