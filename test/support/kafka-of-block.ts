import { afterAll, beforeAll } from '@jest/globals';
import { KafkaProbe } from './kafka-probe.ts';
import { type Kafka, type KafkaOptions, startKafka } from './stack/kafka.ts';
import { SERVER_START_MS } from './stack/require-stack.ts';

export interface KafkaOfBlock {
  readonly kafka: Kafka;
  readonly probe: KafkaProbe;
}

/** A real Kafka for all tests of the block in which it is called; its parts are there when the first of them begins. */
export function kafkaOfBlock(options: KafkaOptions = {}): KafkaOfBlock {
  const parts: { kafka?: Kafka; probe?: KafkaProbe } = {};
  beforeAll(async () => {
    parts.kafka = await startKafka(options);
    parts.probe = new KafkaProbe(parts.kafka.brokers);
  }, SERVER_START_MS);
  afterAll(async () => {
    await parts.probe?.close();
    await parts.kafka?.stop();
  });
  return {
    get kafka() {
      return parts.kafka!;
    },
    get probe() {
      return parts.probe!;
    },
  };
}
