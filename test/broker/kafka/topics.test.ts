import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Kafka as Client, ConfigResourceTypes, logLevel } from 'kafkajs';
import type { Admin } from 'kafkajs';
import type { Log } from '../../../src/broker/broker.ts';
import { type KafkaLogOptions, openKafkaLog } from '../../../src/broker/kafka/kafka-log.ts';
import type { KafkaEvent } from '../../../src/broker/kafka/patience.ts';
import { batchesOf } from '../../../src/broker/kafka/record-batch.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { EXIT, OperatingError } from '../../../src/lib/errors.ts';
import { headerOf, message, MESSAGE_BYTES_MAX } from '../../support/log-messages.ts';
import { type Kafka, copyData, startKafka } from '../../support/stack/kafka.ts';
import { SERVER_START_MS, describeWith } from '../../support/stack/require-stack.ts';

const run = promisify(execFile);
const SINGLE: KafkaLogOptions['topics'] = { replicationFactor: 1, minInSync: 1, isSingleBroker: true };
const SAFE = {
  'max.message.bytes': '20000000',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'message.timestamp.type': 'LogAppendTime',
};

/** Turns one bit in a batch of a segment of a broker that is down. */
function spoilBatch(segment: string, index: number): void {
  const bytes = readFileSync(segment);
  const batch = [...batchesOf(bytes)][index]!.bytes;
  batch[batch.length - 1]! ^= 1;
  writeFileSync(segment, bytes);
}

describeWith('kafka', 'kcat')('topics of the log on Kafka', () => {
  let kafka: Kafka;
  let admin: Admin;
  let log: Log;
  const events: KafkaEvent[] = [];
  const open = (topics = SINGLE): Log =>
    openKafkaLog({
      client: { brokers: kafka.brokers, clientId: 'test', requestTimeoutMs: 5_000 },
      clock: systemClock,
      topicPrefix: 'own',
      topics,
      notify: (event) => events.push(event),
    });
  const spec = (topic: string) => ({ topic, partitions: 1, messageBytesMax: MESSAGE_BYTES_MAX });
  const values = async (topic: string, ...args: string[]): Promise<string> => {
    const options = ['-C', '-q', '-e', '-b', kafka.direct[0]!, '-t', topic, '-o', 'beginning', ...args];
    return (await run('kcat', options, { maxBuffer: 1 << 26 })).stdout;
  };
  const makeTopic = async (topic: string, changes: Readonly<Record<string, string>>): Promise<void> => {
    const configEntries = Object.entries({ ...SAFE, ...changes }).map(([name, value]) => ({ name, value }));
    await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1, configEntries }] });
  };

  beforeAll(async () => {
    kafka = await startKafka();
    admin = new Client({ brokers: [...kafka.direct], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
  }, SERVER_START_MS);
  afterAll(async () => {
    await admin?.disconnect();
    await kafka?.stop();
  });
  beforeEach(() => {
    log = open();
    events.length = 0;
  });
  afterEach(() => log.close());

  test('kcat prints a raw topic as the lines it was made of', async () => {
    await log.ensureTopics([spec('plain')]);
    const lines = Array.from({ length: 2000 }, (_, n) => `10.0.0.${n % 250} - - "GET /${n} HTTP/1.1" 200 ${n}`);
    await log.append('plain', 0, [
      message('first', lines.slice(0, 900).join('\n')),
      message('second', lines.slice(900).join('\n')),
    ]);
    await log.append('plain', 0, [message('beat', '', 'beat')]);
    expect(await values('plain')).toBe(`\n${lines.join('\n')}\n\n`);
    const kinds = await values('plain', '-f', '%h\n');
    expect(kinds.split('\n').map((line) => line.split('=')[0])).toEqual([
      'tailrace.genesis',
      'tailrace.block',
      'tailrace.block',
      'tailrace.beat',
      '',
    ]);
  });

  test('a new topic deletes nothing by itself and takes the clock of the broker', async () => {
    await log.ensureTopics([spec('made')]);
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: 'made' }],
    });
    const config = new Map(resources[0]!.configEntries.map(({ configName, configValue }) => [configName, configValue]));
    expect(Object.fromEntries(Object.keys(SAFE).map((name) => [name, config.get(name)]))).toMatchObject({
      'retention.ms': '-1',
      'retention.bytes': '-1',
      'message.timestamp.type': 'LogAppendTime',
    });
    expect(config.get('unclean.leader.election.enable')).toBe('false');
    const beforeMs = systemClock.nowMs();
    await log.append('made', 0, [message('a')]);
    for await (const batch of log.read('made', 0, 1, { isFollowing: false })) {
      expect(batch[0]!.appendedAtMs).toBeGreaterThanOrEqual(Math.trunc(beforeMs));
      expect(batch[0]!.appendedAtMs).toBeLessThan(beforeMs + 60_000);
    }
  });

  test.each([
    ['LOG_MESSAGE_LIMIT', { 'max.message.bytes': '1048588' }, /takes batches of 1048588 bytes/],
    ['LOG_RETENTION', { 'retention.ms': '604800000' }, /retention\.ms=604800000: Kafka would delete/],
    ['LOG_RETENTION', { 'retention.bytes': '1000000' }, /retention\.bytes=1000000/],
    ['LOG_RETENTION', { 'cleanup.policy': 'compact' }, /compaction would take records away/],
    ['LOG_TIMESTAMPS', { 'message.timestamp.type': 'CreateTime' }, /CreateTime/],
    ['LOG_UNCLEAN_ELECTION', { 'unclean.leader.election.enable': 'true' }, /acknowledged records could be lost/],
    ['LOG_MIN_INSYNC', { 'min.insync.replicas': '2' }, /nothing could be written/],
  ])('%s: a topic with %j is refused, with the way out', async (code, changes, what) => {
    const topic = `unsafe-${code}-${Object.keys(changes)[0]}`;
    await makeTopic(topic, changes);
    const refusal = await log.ensureTopics([spec(topic)]).catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      code,
      isRetryable: false,
      hint: expect.stringContaining('kafka-configs.sh') as unknown,
    });
    expect((refusal as Error).message).toMatch(what);
  });

  test('a single broker must be said, for new topics and for those that are there', async () => {
    const careful = open({ replicationFactor: 3, minInSync: 2, isSingleBroker: false });
    await makeTopic('alone', {});
    for (const topic of ['alone', 'not-there']) {
      await expect(careful.ensureTopics([spec(topic)])).rejects.toMatchObject({
        code: 'LOG_REPLICATION',
        hint: expect.stringContaining('single_broker: true') as unknown,
      });
    }
    await careful.close();
  });

  test('what was written by others is named, and stands in its place', async () => {
    await log.ensureTopics([spec('mixed')]);
    await run('sh', ['-c', `printf 'not ours\\n' | kcat -P -b ${kafka.direct[0]} -t mixed -p 0`]);
    await log.append('mixed', 0, [message('ours')]);
    const damaged: unknown[] = [];
    for await (const batch of log.read('mixed', 0, 1, { isFollowing: false }))
      damaged.push(...batch.map((m) => m.damaged));
    expect(damaged).toEqual(['it was not written by Tailrace', undefined]);
  });

  test.each(['lz4', 'snappy', 'gzip', 'uncompressed'])(
    'a broker that packs topics again by %s changes nothing',
    async (type) => {
      await makeTopic(`packed-${type}`, { 'compression.type': type });
      await log.ensureTopics([spec(`packed-${type}`)]);
      const value = Array.from({ length: 3000 }, (_, n) => `line ${n} ${'x'.repeat(n % 50)}`).join('\n');
      await log.append(`packed-${type}`, 0, [message('a', value), message('b', '')]);
      const read: string[] = [];
      for await (const batch of log.read(`packed-${type}`, 0, 1, { isFollowing: false }))
        read.push(...batch.map((got) => `${headerOf(got)} ${Buffer.from(got.value).toString()}`));
      expect(read).toEqual([`a ${value}`, 'b ']);
    },
  );

  test('a cursor is seen by whoever watches groups of Kafka', async () => {
    await log.ensureTopics([spec('watched')]);
    await log.report('web.warehouse', 'watched', 0, { offset: 1, id: 'x' });
    const offsets = async (): Promise<unknown> => {
      await log.reports('watched');
      // The first use of a coordinator is refused until it has loaded; then it is asked again.
      const found = await admin.fetchOffsets({ groupId: 'web.warehouse', topics: ['watched'] }).catch(() => []);
      return found[0]?.partitions[0]?.offset;
    };
    while ((await offsets()) !== '1') await systemClock.sleep(100);
  });

  test('a topic that a group has read is not made anew when it was deleted; one that nobody has read is', async () => {
    await log.ensureTopics([spec('own.read'), spec('own.unread')]);
    for (const topic of ['own.read', 'own.unread']) await log.append(topic, 0, [message('a'), message('b')]);
    await log.report('web.warehouse', 'own.unread', 0, undefined);
    await log.report('web.warehouse', 'own.read', 0, { offset: 2, id: 'x' });
    await log.close();
    await admin.deleteTopics({ topics: ['own.read', 'own.unread'] });
    log = open();
    await expect(log.ensureTopics([spec('own.read')])).rejects.toMatchObject({
      code: 'LOG_TOPIC_DELETED',
      exitCode: EXIT.mismatch,
      message: "topic 'own.read' is gone: it was there, and group web.warehouse has read of it",
    });
    expect(await admin.listTopics()).not.toContain('own.read');
    await log.ensureTopics([spec('own.unread')]);
  });

  test('a writer whose topic was made anew by somebody else finds out at its next append', async () => {
    await log.ensureTopics([spec('own.remade')]);
    for (let i = 0; i < 3; i++) await log.append('own.remade', 0, [message('a')]);
    await admin.deleteTopics({ topics: ['own.remade'] });
    await makeTopic('own.remade', {});
    const append = (): Promise<unknown> => log.append('own.remade', 0, [message('b')]).catch((error: unknown) => error);
    // While it is not known to the broker again, that is what is said.
    let outcome = await append();
    for (let i = 0; i < 50 && (outcome as { code?: unknown }).code !== 'LOG_FORKED'; i++) {
      expect(outcome).toBeInstanceOf(OperatingError);
      outcome = await append();
    }
    expect(outcome).toMatchObject({ code: 'LOG_FORKED', exitCode: EXIT.mismatch });
  });

  test('a topic deleted under a reader and a writer is one clear error', async () => {
    await log.ensureTopics([spec('gone')]);
    await log.append('gone', 0, [message('a')]);
    const reading = log.read('gone', 0, 2, { isFollowing: true, waitMsMax: 60_000 })[Symbol.asyncIterator]();
    const next = reading.next();
    await admin.deleteTopics({ topics: ['gone'] });
    await expect(next).rejects.toMatchObject({ code: 'LOG_TOPIC_UNKNOWN' });
    await expect(log.append('gone', 0, [message('b')])).rejects.toMatchObject({ code: 'LOG_TOPIC_UNKNOWN' });
    // Made anew it is another log: whoever has read more of the first one is told.
    const other = open();
    await other.ensureTopics([spec('gone')]);
    const past = other.read('gone', 0, 2, { isFollowing: true })[Symbol.asyncIterator]();
    await expect(past.next()).rejects.toMatchObject({ code: 'LOG_FORKED' });
    await other.close();
  });

  describe('a broker that goes away', () => {
    test(
      'and comes back is waited for, said once; what its disk spoiled is named; one from an old disk is a fork',
      async () => {
        await log.ensureTopics([spec('old')]);
        await log.append('old', 0, [message('1')]);
        await log.ensureTopics([spec('spoiled')]);
        for (const header of ['a', 'b', 'c']) await log.append('spoiled', 0, [message(header, 'value')]);
        await kafka.shutdown();
        spoilBatch(join(kafka.dataDir(), 'spoiled-0', '00000000000000000000.log'), 2);
        const copy = `${kafka.dataDir()}.copy`;
        await copyData(kafka.dataDir(), copy);
        const ends = log.ends('old');
        const restarting = systemClock.sleep(4_000).then(() => kafka.restart());
        expect(await ends).toEqual([{ start: 0, end: 2 }]);
        await restarting;
        expect(events.map(({ type }) => type)).toEqual(['away', 'back']);
        const spoiled: unknown[] = [];
        for await (const batch of log.read('spoiled', 0, 1, { isFollowing: false }))
          spoiled.push(...batch.map((got) => got.damaged ?? headerOf(got)));
        expect(spoiled).toEqual(['a', 'its bytes do not match their checksum', 'c']);
        expect(await log.append('old', 0, [message('2'), message('3')])).toBe(2);
        const follower = log.read('old', 0, 4, { isFollowing: true, waitMsMax: 60_000 })[Symbol.asyncIterator]();
        const next = follower.next();
        await kafka.shutdown();
        await copyData(copy, kafka.dataDir());
        await kafka.restart();
        await expect(next).rejects.toMatchObject({ code: 'LOG_FORKED', isRetryable: false });
      },
      SERVER_START_MS,
    );
  });
});
