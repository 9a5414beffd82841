import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openKafkaLog } from '../../../src/broker/kafka/kafka-log.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { describeLogContract } from '../../contract/log.ts';
import { kafkaLogHarness } from '../../support/kafka-log-harness.ts';
import {
  API,
  CODE,
  askedTime,
  deletedOf,
  metadataOf,
  offsetOf,
  startScriptedKafka,
} from '../../support/scripted-kafka.ts';
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

test('without the right to delete, trimming is refused at once, with the way out', async () => {
  const kafka = await startScriptedKafka();
  kafka.script[API.metadata] = { version: 5, answer: () => metadataOf([kafka], 'own', [0]) };
  kafka.script[API.listOffsets] = {
    version: 2,
    answer: (request) => offsetOf('own', askedTime(request) === -2 ? 0 : 10),
  };
  kafka.script[API.deleteRecords] = { version: 1, answer: () => deletedOf('own', 0, CODE.topicDenied) };
  const log = openKafkaLog({
    client: { brokers: [kafka.address], clientId: 'test' },
    clock: systemClock,
    topicPrefix: 'own',
    topics: { replicationFactor: 1, minInSync: 1, isSingleBroker: true },
  });
  await expect(log.trim('own', 0, 5)).rejects.toMatchObject({
    code: 'LOG_ACCESS_DENIED',
    hint: expect.stringContaining('--operation Delete') as unknown,
  });
  await log.close();
  await kafka.stop();
});
