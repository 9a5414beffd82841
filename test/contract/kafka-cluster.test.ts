import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../src/broker/broker.ts';
import { kafkaLogHarness } from '../support/kafka-log-harness.ts';
import { headerOf, message, MESSAGE_BYTES_MAX, readAll, TOPIC } from '../support/log-messages.ts';
import { type Kafka, startKafka } from '../support/stack/kafka.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';
import { until } from '../support/tailrace-process.ts';

const REPLICATED = { replicationFactor: 3, minInSync: 2, isSingleBroker: false };
/** One is enough to see a leader move and come back; each of them takes a minute of a busy machine. */
const KILLED = process.env['TAILRACE_SOAK'] === '1' ? [1, 2, 3, 1, 2, 3] : [2];

/** Appends that each partition must take after a broker has come back. */
const ACKNOWLEDGED_AFTER = 50;
const GOES_ON_MS = 60_000;

describeWith('kafka')('a Kafka of three brokers', () => {
  let kafka: Kafka;
  beforeAll(async () => {
    kafka = await startKafka({ brokers: 3 });
  }, SERVER_START_MS);
  afterAll(async () => await kafka?.stop());

  test(
    'a broker is killed and comes back while lines flow: what was acknowledged is there, in order',
    async () => {
      const client = { requestTimeoutMs: 5_000 };
      const harness = kafkaLogHarness({ brokers: kafka.brokers, topics: REPLICATED, client });
      const [writer, reader] = await Promise.all([harness.open(), harness.open()]);
      await writer.ensureTopics([{ topic: TOPIC, partitions: 3, messageBytesMax: MESSAGE_BYTES_MAX }]);
      const abort = new AbortController();
      const partitions = [0, 1, 2].map((partition) => new Flow(partition, writer, reader, abort.signal));
      const writing = partitions.map((flow) => flow.write());
      const reading = partitions.map((flow) => flow.read());
      for (const node of KILLED) {
        await sleep(700);
        await kafka.kill(node);
        await sleep(700);
        await kafka.restart(node);
        // Until every partition has a leader again and takes what comes: some wait for the dead broker's session to run out.
        const goals = partitions.map((flow) => flow.acknowledged + ACKNOWLEDGED_AFTER);
        const goOn = (): boolean => partitions.every((flow, i) => flow.acknowledged >= goals[i]!);
        await until(goOn, GOES_ON_MS, () => `acknowledged: ${partitions.map((flow) => flow.acknowledged).join(', ')}`);
      }
      abort.abort();
      await Promise.all([...writing, ...reading]);
      for (const flow of partitions) await flow.check();
      await harness.close();
    },
    SERVER_START_MS + GOES_ON_MS * KILLED.length,
  );
});

/** One partition: numbers go in, one append after another, and a follower reads them at the same time. */
class Flow {
  readonly #partition: number;
  readonly #writer: Log;
  readonly #reader: Log;
  readonly #signal: AbortSignal;
  /** Offset → number, as acknowledged. */
  readonly #acknowledged = new Map<number, number>();
  readonly #followed: string[] = [];
  #unknown = 0;

  constructor(partition: number, writer: Log, reader: Log, signal: AbortSignal) {
    this.#partition = partition;
    this.#writer = writer;
    this.#reader = reader;
    this.#signal = signal;
  }

  get acknowledged(): number {
    return this.#acknowledged.size;
  }

  async write(): Promise<void> {
    for (let n = 0; !this.#signal.aborted; n++) {
      // As an agent does: what is not known to be there is sent again, until it is.
      for (let isThere = false; !isThere;) {
        try {
          this.#acknowledged.set(await this.#writer.append(TOPIC, this.#partition, [message(`${n}`)]), n);
          isThere = true;
        } catch (error) {
          expect(error).toMatchObject({ code: 'LOG_UNREACHABLE', isRetryable: true });
          this.#unknown++;
        }
      }
      await sleep(2);
    }
  }

  async read(): Promise<void> {
    const options = { isFollowing: true, signal: this.#signal };
    for await (const batch of this.#reader.read(TOPIC, this.#partition, 1, options))
      this.#followed.push(...batch.map(headerOf));
  }

  async check(): Promise<void> {
    const read = await readAll(this.#reader, 1, {}, this.#partition);
    expect(read.map(({ offset }) => offset)).toEqual(read.map((_, i) => i + 1));
    const headers = read.map(headerOf);
    expect(headers.slice(0, this.#followed.length)).toEqual(this.#followed);
    for (const [offset, n] of this.#acknowledged) expect(headers[offset - 1]).toBe(`${n}`);
    // In order, and twice only where an append was sent again.
    const numbers = headers.map(Number);
    numbers.forEach((n, i) => expect(n - (numbers[i - 1] ?? -1)).toBeLessThanOrEqual(1));
    expect(new Set(numbers).size).toBe(this.#acknowledged.size);
    expect(headers.length - this.#acknowledged.size).toBeLessThanOrEqual(this.#unknown);
    expect(this.#acknowledged.size).toBeGreaterThan(ACKNOWLEDGED_AFTER);
  }
}
