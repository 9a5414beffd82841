import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openKafkaLog } from '../../../src/broker/kafka/kafka-log.ts';
import { Encoder, type WireEncoder } from '../../../src/broker/kafka/kafkajs.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { describeLogContract } from '../../contract/log.ts';
import { kafkaLogHarness } from '../../support/kafka-log-harness.ts';
import { API, CODE, deletedOf, metadataOf, startScriptedKafka } from '../../support/scripted-kafka.ts';
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

const LIST_OFFSETS = 2;

/** ListOffsets, version 1: ten records. */
function offsetOf(topic: string, isStart: boolean): WireEncoder {
  const one = new Encoder()
    .writeInt32(0)
    .writeInt16(0)
    .writeInt64(-1)
    .writeInt64(isStart ? 0 : 10);
  return new Encoder().writeArray([new Encoder().writeString(topic).writeArray([one])]);
}

test('without the right to delete, trimming is refused at once, with the way out', async () => {
  const kafka = await startScriptedKafka();
  let asks = 0;
  kafka.script[API.metadata] = { version: 5, answer: () => metadataOf([kafka], 'own', [0]) };
  kafka.script[LIST_OFFSETS] = { version: 1, answer: () => offsetOf('own', asks++ % 2 === 0) };
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
