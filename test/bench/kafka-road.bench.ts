// The whole road through a real Kafka on the same cores, broker included: a cold start on a file of combined lines, to the last row committed in
// DuckDB, compared with plain SQL over the file. `node test/bench/kafka-road.bench.ts [lines] [rounds] [partitions] [workers]`
import { readFileSync } from 'node:fs';
import { startKafka } from '../support/stack/kafka.ts';
import { benchRoad, roadConfig } from '../support/road-bench.ts';

const lines = Number(process.argv[2] ?? 10_000_000);
const rounds = Number(process.argv[3] ?? 3);
const partitions = Number(process.argv[4] ?? 1);
const workers = Number(process.argv[5] ?? 1);
const AGENT = '00000000-0000-4000-8000-00000000be7c';
const TICKS_PER_SECOND = 100;

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

const kafka = await startKafka({ heapMiB: 1024 });
try {
  const head = (round: number): string =>
    [
      `broker: { type: kafka, brokers: ['${kafka.brokers[0]!}'], topic_prefix: bench-${round}, single_broker: true }`,
      `agent: { id: ${AGENT} }`,
      `engine: { workers: ${workers} }`,
    ].join('\n');
  const beforeSeconds = cpuSeconds(kafka.pid());
  await benchRoad(lines, rounds, (file, round) => roadConfig(file, head(round), partitions));
  const brokerSeconds = (cpuSeconds(kafka.pid()) - beforeSeconds) / rounds;
  console.log(`the broker beside them: ${brokerSeconds.toFixed(2)} CPU-s a round, not in these figures`);
} finally {
  await kafka.stop();
}
