import { afterAll, beforeAll } from '@jest/globals';
import { SourceWorld } from '../support/source-world.ts';
import { type Kafka, startKafka } from '../support/stack/kafka.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';
import { TopicWriters, topicsInput } from '../support/topic-world.ts';
import { sourceContract } from './source-input.ts';

describeWith('kafka')('a partition of a topic', () => {
  let kafka: Kafka;
  let writers: TopicWriters;
  let topics = 0;
  beforeAll(async () => {
    kafka = await startKafka();
    writers = new TopicWriters(kafka.brokers);
    await writers.connect();
  }, SERVER_START_MS);
  afterAll(async () => {
    await writers?.close();
    await kafka?.stop();
  });

  sourceContract(async () => {
    const topic = `orders-${++topics}`;
    await writers.create(topic);
    const world = new SourceWorld(topicsInput(kafka.brokers, { topics: [topic] }));
    return {
      world,
      write: (lines) => writers.write(topic, lines),
      replace: async (lines) => {
        await writers.admin.deleteTopics({ topics: [topic] });
        await writers.create(topic);
        await writers.write(topic, lines);
      },
      close: () => world.close(),
    };
  });
});
