// The log on a real Kafka, broker on the same machine: appends and reads by size of block, one record a line, and what idling costs.
// `node test/bench/kafka.bench.ts [MiB] [host:port]`; without an address it starts a broker of its own.
import { randomBytes } from 'node:crypto';
import type { Log, OutgoingMessage } from '../../src/broker/broker.ts';
import { openKafkaLog } from '../../src/broker/kafka/kafka-log.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { startKafka } from '../support/stack/kafka.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const IDLE_SECONDS = 15;
const LINE_COUNT = 40_000;
/** What an agent puts in one append. */
const APPEND_BYTES = 4 * MIB;
const LINES_PER_APPEND = 10_000;

/** Combined log lines as a busy site writes them: some thousand clients and paths, few agents. */
function combinedLines(): string[] {
  const random = seededRandom(42);
  const agents = [
    '120.0.0.0 Safari/537.36',
    '121.0 Firefox/121.0',
    '17.2 Safari/605.1.15',
    '2.1; +http://bot.example.org',
  ];
  const paths = ['products', 'images', 'blog', 'api/v1/cart', 'search'];
  return Array.from({ length: LINE_COUNT }, (_, i) => {
    const client = `${10 + random.int(40)}.${random.int(256)}.${random.int(64)}.7`;
    const time = `22/Nov/2026:10:${String(Math.floor(i / 1000) % 60).padStart(2, '0')}:${String(Math.floor(i / 16) % 60).padStart(2, '0')}`;
    const path = `/${paths[random.int(5)]}/${random.int(3000)}`;
    const referrer = random.int(3) === 0 ? '-' : `http://www.example.org/${paths[random.int(5)]}/`;
    const agent = `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ${agents[random.int(4)]}`;
    return `${client} - - [${time} +0000] "GET ${path} HTTP/1.1" ${random.int(20) === 0 ? 404 : 200} ${random.int(60_000)} "${referrer}" "${agent}"`;
  });
}

const LINES = combinedLines();
const HEADER = new TextEncoder().encode('{"source":"0b9b5b5e-1","start":0,"end":524288,"lines":2900}');

interface Append {
  readonly messages: readonly OutgoingMessage[];
  readonly lines: number;
  readonly bytes: number;
}

/** Some appends of blocks of whole lines, each beginning at another line. */
function blockAppends(blockBytes: number): Append[] {
  let next = 0;
  return Array.from({ length: 8 }, () => {
    const messages: OutgoingMessage[] = [];
    let lines = 0;
    let total = 0;
    while (total < APPEND_BYTES) {
      const picked: string[] = [];
      for (let bytes = 0; bytes < blockBytes;) {
        const line = LINES[next++ % LINE_COUNT]!;
        bytes += line.length + 1;
        picked.push(line);
      }
      const value = new TextEncoder().encode(picked.join('\n'));
      messages.push({ kind: 'block', header: HEADER, value });
      lines += picked.length;
      total += value.length;
    }
    return { messages, lines, bytes: total };
  });
}

function lineAppends(): Append[] {
  return Array.from({ length: 4 }, (_, a) => {
    const messages = Array.from({ length: LINES_PER_APPEND }, (_, i): OutgoingMessage => {
      return {
        kind: 'block',
        header: new Uint8Array(0),
        value: Buffer.from(LINES[(a * LINES_PER_APPEND + i) % LINE_COUNT]!),
      };
    });
    return { messages, lines: LINES_PER_APPEND, bytes: messages.reduce((sum, { value }) => sum + value.length, 0) };
  });
}

function measure(): () => { readonly wallMs: number; readonly cpuMs: number } {
  const startMs = systemClock.monotonicMs();
  const cpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { wallMs: systemClock.monotonicMs() - startMs, cpuMs: (user + system) / 1000 };
  };
}

function report(
  name: string,
  lines: number,
  bytes: number,
  spent: { readonly wallMs: number; readonly cpuMs: number },
): void {
  const rate = (ms: number): string =>
    `${(bytes / MIB / (ms / 1000)).toFixed(0).padStart(5)} MiB/s ${(lines / ms / 1000).toFixed(2)} M lines/s`;
  console.log(`${name.padEnd(28)} wall ${rate(spent.wallMs)}   CPU ${rate(spent.cpuMs)}`);
}

async function outAndIn(
  log: Log,
  topic: string,
  name: string,
  appends: readonly Append[],
  totalBytes: number,
): Promise<void> {
  await log.ensureTopics([{ topic, partitions: 1, messageBytesMax: MIB }]);
  let [lines, bytes] = [0, 0];
  let stop = measure();
  // Two in flight, as an agent's two slabs of a lane: one is compressed while the other is on its way.
  let before: Promise<unknown> = Promise.resolve();
  for (let n = 0; bytes < totalBytes; n++) {
    const append = appends[n % appends.length]!;
    const sending = log.append(topic, 0, append.messages);
    await before;
    before = sending;
    lines += append.lines;
    bytes += append.bytes;
  }
  await before;
  report(`out, ${name}`, lines, bytes, stop());
  stop = measure();
  let read = 0;
  for await (const batch of log.read(topic, 0, 1, { isFollowing: false }))
    for (const { value } of batch) read += value.length;
  report(`in,  ${name}`, lines, read, stop());
  await log.trim(topic, 0, Infinity);
}

async function idle(log: Log, topic: string, followers: number): Promise<void> {
  await log.ensureTopics([{ topic, partitions: followers, messageBytesMax: MIB }]);
  const abort = new AbortController();
  const following = Array.from({ length: followers }, async (_, partition) => {
    const options = { isFollowing: true, waitMsMax: 1000, signal: abort.signal };
    for await (const batch of log.read(topic, partition, 1, options)) void batch;
  });
  await systemClock.sleep(2000);
  const stop = measure();
  await systemClock.sleep(IDLE_SECONDS * 1000);
  const spent = stop();
  console.log(
    `${followers} idle follower${followers === 1 ? '' : 's'}`.padEnd(28),
    `${((100 * spent.cpuMs) / spent.wallMs).toFixed(2)} % of a core`,
  );
  abort.abort();
  await Promise.all(following);
}

const totalBytes = Number(process.argv[2] ?? 256) * MIB;
const given = process.argv[3];
const kafka = given === undefined ? await startKafka() : undefined;
const run = randomBytes(4).toString('hex');
const log = openKafkaLog({
  client: { brokers: kafka?.brokers ?? [given!], clientId: 'bench' },
  clock: systemClock,
  topicPrefix: `bench.${run}`,
  topics: { replicationFactor: 1, minInSync: 1, isSingleBroker: true },
});
try {
  for (const blockKib of [64, 256, 512]) {
    const name = `blocks of ${blockKib} KiB`;
    await outAndIn(log, `bench.${run}.${blockKib}`, name, blockAppends(blockKib * KIB), totalBytes);
  }
  await outAndIn(log, `bench.${run}.lines`, 'one record a line', lineAppends(), totalBytes / 8);
  await idle(log, `bench.${run}.idle1`, 1);
  await idle(log, `bench.${run}.idle8`, 8);
} finally {
  await log.close();
  await kafka?.stop();
}
