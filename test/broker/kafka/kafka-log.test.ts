import { afterAll, beforeAll } from '@jest/globals';
import { describeLogContract } from '../../contract/log.ts';
import { kafkaLogHarness } from '../../support/kafka-log-harness.ts';
import { type Kafka, startKafka } from '../../support/stack/kafka.ts';
import { SERVER_START_MS, describeWith } from '../../support/stack/require-stack.ts';

describeWith('kafka')('a Kafka of one broker', () => {
  let kafka: Kafka;
  beforeAll(async () => {
    kafka = await startKafka();
  }, SERVER_START_MS);
  afterAll(async () => await kafka?.stop());

  describeLogContract('kafka', () => kafkaLogHarness({ brokers: kafka.brokers }), ['processes']);
});
