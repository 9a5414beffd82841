// One record a line from another producer: a topic of a real Kafka, written before by another client, to the last row committed in DuckDB, from a
// cold start, every process included, the broker on the same cores. `node test/bench/foreign.bench.ts [lines] [rounds] [embedded|kafka]`, the last being
// the log between the stages. The result is compared with plain SQL over the file the records came from.
import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { randomUUID } from 'node:crypto';
import { benchRoad, roadConfig, roadFile } from '../support/road-bench.ts';
import { startKafka } from '../support/stack/kafka.ts';
import { TopicWriters } from '../support/topic-world.ts';

const lines = Number(process.argv[2] ?? 1_000_000);
const rounds = Number(process.argv[3] ?? 3);
const broker = process.argv[4] ?? 'embedded';

const SEND_LINES = 5_000;
const PARTITIONS = 3;
const TICKS_PER_SECOND = 100;

const kafka = await startKafka();
try {
  const writers = new TopicWriters(kafka.brokers);
  await writers.connect();
  await writers.create('access', { numPartitions: PARTITIONS });
  let chunk: string[] = [];
  let sends = 0;
  for await (const line of createInterface({ input: createReadStream(roadFile(lines)) })) {
    chunk.push(line);
    if (chunk.length < SEND_LINES) continue;
    await writers.write('access', chunk, sends++ % PARTITIONS);
    chunk = [];
  }
  await writers.write('access', chunk, 0);
  await writers.close();

  const head =
    broker === 'kafka'
      ? `broker: { type: kafka, brokers: ['${kafka.brokers[0]}'], single_broker: true, topic_prefix: PREFIX }\nagent: { id: ${randomUUID()} }`
      : '';
  const sources = `sources: { web: { type: kafka, brokers: ['${kafka.brokers[0]}'], topics: [access], stream: access } }`;
  const brokerCpu = (): number => {
    const fields = readFileSync(`/proc/${kafka.pid()}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  };
  const before = brokerCpu();
  await benchRoad(lines, rounds, (file, round) =>
    roadConfig(file, head.replace('PREFIX', `bench${round}`)).replace(/^sources:.*$/m, sources),
  );
  console.log(`the broker took ${((brokerCpu() - before) / rounds).toFixed(2)} CPU-s a round`);
} finally {
  await kafka.stop();
}
