import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../src/broker/broker.ts';
import { OperatingError } from '../../src/lib/errors.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { describeLogContract } from './log.ts';
import { kafkaLogHarness } from '../support/kafka-log-harness.ts';
import type { LogHarness } from '../support/log-harness.ts';
import { headerOf, message, MESSAGE_BYTES_MAX, readAll, TOPIC } from '../support/log-messages.ts';
import { type Kafka, startKafka } from '../support/stack/kafka.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';
import { surely } from '../support/surely.ts';
import { FETCH, PRODUCE, type TcpProxy, kafkaRequest, startTcpProxy } from '../support/tcp-proxy.ts';

/** Short, so that a connection that answers no more is given up within a test. */
const CLIENT = { requestTimeoutMs: 3_000, connectTimeoutMs: 2_000 };

/** Answers of appends that are swallowed. */
const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const LOST = IS_SOAK ? 10_000 : 20;

describeWith('kafka')('a Kafka behind a bad network', () => {
  let kafka: Kafka;
  let proxy: TcpProxy;
  const harness = (): LogHarness => kafkaLogHarness({ brokers: kafka.brokers, client: CLIENT });

  beforeAll(async () => {
    proxy = await startTcpProxy();
    kafka = await startKafka({ advertised: [proxy.address] });
    proxy.target = kafka.targets[0];
  }, SERVER_START_MS);
  afterAll(async () => {
    await kafka?.stop();
    await proxy?.stop();
  });
  afterEach(() => {
    proxy.open();
    proxy.delay(0);
    proxy.clearTraps();
  });

  describe('slow', () => {
    beforeEach(() => proxy.delay(15));
    describeLogContract('kafka', harness, []);
  });

  describe('cut, half open, answers swallowed', () => {
    let trouble: Trouble;
    beforeEach(() => {
      trouble = new Trouble(proxy);
    });
    afterEach(() => trouble.end());
    describeLogContract('kafka', () => sure(harness()), []);
  });

  describe('an append whose answer is lost', () => {
    let own: LogHarness;
    let log: Log;
    beforeEach(async () => {
      own = harness();
      log = await own.open();
      await log.ensureTopics([{ topic: TOPIC, partitions: 1, messageBytesMax: MESSAGE_BYTES_MAX }]);
    });
    afterEach(() => own.close());

    test('is rejected, and is there: who sends it again makes a second record', async () => {
      proxy.swallowAnswers(1, kafkaRequest(PRODUCE));
      const append = log.append(TOPIC, 0, [message('a'), message('b')]);
      await expect(append).rejects.toMatchObject({ code: 'LOG_UNREACHABLE', isRetryable: true });
      expect(proxy.counters.swallowed).toBeGreaterThan(0);
      expect(await log.append(TOPIC, 0, [message('a'), message('b')])).toBe(3);
      expect((await readAll(log, 1)).map(headerOf)).toEqual(['a', 'b', 'a', 'b']);
    });

    test(
      'takes nothing of the next one with it, whose answer has its own offset',
      async () => {
        for (let n = 0; n < LOST; n++) {
          proxy.swallowAnswers(1, kafkaRequest(PRODUCE));
          await expect(log.append(TOPIC, 0, [message(`lost ${n}`)])).rejects.toThrow(OperatingError);
          const offset = await log.append(TOPIC, 0, [message(`kept ${n}`)]);
          expect((await readAll(log, offset)).map(headerOf)).toEqual([`kept ${n}`]);
        }
        expect((await log.ends(TOPIC))[0]).toEqual({ start: 0, end: 1 + 2 * LOST });
      },
      IS_SOAK ? 3_600_000 : 60_000,
    );

    test('is rejected when its connection says nothing any more, within the timeout of a request', async () => {
      await log.append(TOPIC, 0, [message('before')]);
      proxy.halfOpen();
      await expect(log.append(TOPIC, 0, [message('gone')])).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
      proxy.open();
      expect(await log.append(TOPIC, 0, [message('after')])).toBe(2);
    });
  });

  test('a follower goes on where it was, whatever becomes of its connections', async () => {
    const own = harness();
    const reader = await own.open();
    await reader.ensureTopics([{ topic: TOPIC, partitions: 1, messageBytesMax: MESSAGE_BYTES_MAX }]);
    const writer = surely(await own.open());
    const COUNT = 120;
    const got: string[] = [];
    const abort = new AbortController();
    const following = (async () => {
      for await (const batch of reader.read(TOPIC, 0, 1, { isFollowing: true, signal: abort.signal })) {
        got.push(...batch.map(headerOf));
        if (got.length >= COUNT) abort.abort();
      }
    })();
    for (let n = 0; n < COUNT; n++) {
      if (n % 10 === 3 && proxy.pendingAnswers === 0) proxy.swallowAnswers(1, kafkaRequest(FETCH));
      if (n % 10 === 6 && proxy.pendingAnswers === 0) proxy.truncateAnswers(1, 9, kafkaRequest(FETCH));
      if (n % 30 === 9) proxy.cut();
      await writer.append(TOPIC, 0, [message(`${n}`)]);
      await sleep(20);
    }
    await following;
    expect(got).toEqual(Array.from({ length: COUNT }, (_, n) => `${n}`));
    await own.close();
  });
});

function sure(harness: LogHarness): LogHarness {
  return { open: async () => surely(await harness.open()), close: () => harness.close() };
}

/** Something goes wrong with the network, again and again, until `end`. */
class Trouble {
  readonly #ended = new AbortController();
  readonly #running: Promise<void>;

  constructor(proxy: TcpProxy) {
    this.#running = this.#run(proxy);
  }

  async #run(proxy: TcpProxy): Promise<void> {
    const random = seededRandom(7);
    while (!this.#ended.signal.aborted) {
      await sleep(500 + random.int(1000), undefined, { signal: this.#ended.signal }).catch(() => undefined);
      const kind = random.int(5);
      if (kind === 0) proxy.cut();
      else if (kind === 1) proxy.swallowAnswers(1);
      else if (kind === 2) proxy.truncateAnswers(1, random.int(20));
      else if (kind === 3) proxy.delay(random.int(20));
      else {
        proxy.halfOpen();
        await sleep(random.int(50));
        proxy.open();
      }
    }
    proxy.open();
  }

  async end(): Promise<void> {
    this.#ended.abort();
    await this.#running;
  }
}
