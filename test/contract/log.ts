import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Log } from '../../src/broker/broker.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { decodeGenesis } from '../../src/record/control.ts';
import { valueOf } from '../support/log-child.ts';
import { LOG_ABILITIES } from '../support/log-harness.ts';
import type { LogAbility, LogHarness } from '../support/log-harness.ts';
import { headerOf, message, MESSAGE_BYTES_MAX, NO_BYTES, readAll, sameBytes, TOPIC } from '../support/log-messages.ts';
import type { Given } from '../support/log-messages.ts';
import { describeLogProcesses } from './log-processes.ts';
import { describeFailures, describeReports, describeTrimming, testsOf } from './log-upkeep.ts';

/** The contract of {@link Log}, over one adapter: `makeHarness` gives an empty store each time. */
export function describeLogContract(
  name: string,
  makeHarness: () => LogHarness | Promise<LogHarness>,
  abilities: readonly LogAbility[] = LOG_ABILITIES,
): void {
  describe(`${name}: contract of the log`, () => {
    let harness: LogHarness;
    let log: Log;

    beforeEach(async () => {
      harness = await makeHarness();
      log = await harness.open();
      await log.ensureTopics([{ topic: TOPIC, partitions: 2, messageBytesMax: MESSAGE_BYTES_MAX }]);
    });
    afterEach(() => harness.close());

    const given = { harness: () => harness, log: () => log, abilities };
    describeTopics(given);
    describeMessages(given);
    describeFollowing(given);
    describeTrimming(given);
    describeReports(given);
    describeFailures(given);
  });
  if (abilities.includes('processes')) describeLogProcesses(name, makeHarness);
}

function describeTopics({ harness, log }: Given): void {
  test('a new partition begins with a genesis of its own', async () => {
    const first = await readAll(log());
    const second = await readAll(log(), 0, {}, 1);
    expect(first.map(({ kind, offset }) => [kind, offset])).toEqual([['genesis', 0]]);
    const ids = [first, second].map((messages) => decodeGenesis(messages[0]!.header).log);
    expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(ids[0]).not.toBe(ids[1]);
  });

  test('ensureTopics again changes nothing, also from many connections at once', async () => {
    const spec = { topic: 'test.epochs.web.access', partitions: 3, messageBytesMax: 1000 };
    const logs = await Promise.all([1, 2, 3, 4].map(() => harness().open()));
    await Promise.all(logs.map((other) => other.ensureTopics([spec])));
    await log().ensureTopics([spec]);
    const ends = await log().ends(spec.topic);
    expect(ends.map(({ start }) => start)).toEqual([0, 0, 0]);
    // Where an answer is lost nobody knows who made the topic: each may write a genesis, of which the first counts.
    for (const { end } of ends) expect([1, 2, 3, 4, 5]).toContain(end);
  });

  test('another partition count is refused', async () => {
    const spec = { topic: TOPIC, partitions: 3, messageBytesMax: 1000 };
    await expect(log().ensureTopics([spec])).rejects.toMatchObject({ code: 'LOG_PARTITIONS_FIXED' });
    expect(await log().ends(TOPIC)).toHaveLength(2);
  });

  test('an unknown topic or partition is one clear error', async () => {
    await expect(log().append('nowhere', 0, [message('a')])).rejects.toMatchObject({ code: 'LOG_TOPIC_UNKNOWN' });
    await expect(log().append(TOPIC, 2, [message('a')])).rejects.toMatchObject({ code: 'LOG_TOPIC_UNKNOWN' });
    await expect(readAll(log(), 0, {}, 7)).rejects.toMatchObject({ code: 'LOG_TOPIC_UNKNOWN' });
    expect(await log().ends('nowhere')).toEqual([]);
  });
}

function describeMessages({ harness, log, abilities }: Given): void {
  const testIf = testsOf(abilities);

  test('what was appended is read back, of every kind, with empty headers and values', async () => {
    const sent = [
      message('header', 'value', 'block'),
      message('beat', NO_BYTES, 'beat'),
      message('', 'no header', 'epoch'),
      message('', NO_BYTES, 'part'),
      message('control', NO_BYTES, 'control'),
      message('second genesis', NO_BYTES, 'genesis'),
      message('compressible', 'x'.repeat(5000), 'block'),
      message('incompressible', valueOf(1, 5000), 'block'),
    ];
    expect(await log().append(TOPIC, 1, sent)).toBe(1);
    const read = await readAll(log(), 1, {}, 1);
    expect(read.map(({ kind, offset }) => [kind, offset])).toEqual(sent.map(({ kind }, i) => [kind, i + 1]));
    read.forEach((got, i) => {
      expect(sameBytes(got.header, sent[i]!.header)).toBe(true);
      expect(sameBytes(got.value, sent[i]!.value)).toBe(true);
      expect(got.damaged).toBeUndefined();
    });
    expect(await log().ends(TOPIC)).toEqual([
      { start: 0, end: 1 },
      { start: 0, end: 9 },
    ]);
  });

  test('the largest message goes in and comes out, one byte more is refused and leaves nothing', async () => {
    const value = valueOf(7, MESSAGE_BYTES_MAX - 1);
    const offset = await log().append(TOPIC, 0, [message('h', value)]);
    const [read] = await readAll(log(), offset);
    expect(sameBytes(read!.value, value)).toBe(true);
    const tooLarge = [message('small'), message('hh', value)];
    await expect(log().append(TOPIC, 0, tooLarge)).rejects.toMatchObject({ code: 'LOG_MESSAGE_TOO_LARGE' });
    expect((await log().ends(TOPIC))[0]!.end).toBe(offset + 1);
  });

  test('many messages in one append are contiguous and in order', async () => {
    const sent = Array.from({ length: 10_000 }, (_, i) => message(`h${i}`, `v${i}`));
    const first = await log().append(TOPIC, 0, sent);
    const read = await readAll(log(), first);
    expect(read.map(headerOf)).toEqual(sent.map((_, i) => `h${i}`));
    expect(read.map(({ offset }) => offset)).toEqual(sent.map((_, i) => first + i));
  });

  test('appends in flight together keep their order and do not mix', async () => {
    const other = await harness().open();
    const appends = Array.from({ length: 60 }, (_, n) =>
      (n % 2 === 0 ? log() : other).append(TOPIC, 0, [message(`${n}.0`), message(`${n}.1`), message(`${n}.2`)]),
    );
    const offsets = await Promise.all(appends);
    const headers = (await readAll(log())).map(headerOf);
    expect(headers).toHaveLength(1 + 60 * 3);
    offsets.forEach((offset, n) => {
      expect(headers.slice(offset, offset + 3)).toEqual([`${n}.0`, `${n}.1`, `${n}.2`]);
    });
    const ofOneWriter = offsets.filter((_, n) => n % 2 === 0);
    expect(ofOneWriter).toEqual([...ofOneWriter].sort((a, b) => a - b));
  });

  test('an append of nothing gives the end', async () => {
    expect(await log().append(TOPIC, 0, [])).toBe(1);
    expect(await log().ends(TOPIC)).toContainEqual({ start: 0, end: 1 });
  });

  test('a batch ends once its values pass the limit, and holds one message at least', async () => {
    await log().append(
      TOPIC,
      0,
      Array.from({ length: 5 }, (_, i) => message(`${i}`, 'x'.repeat(1000))),
    );
    const lengths: number[] = [];
    const options = { isFollowing: false, batchBytesMax: 1500 };
    for await (const batch of log().read(TOPIC, 0, 1, options)) lengths.push(batch.length);
    expect(lengths).toEqual([2, 2, 1]);
    lengths.length = 0;
    for await (const batch of log().read(TOPIC, 0, 1, { ...options, batchBytesMax: 1 })) lengths.push(batch.length);
    expect(lengths).toEqual([1, 1, 1, 1, 1]);
  });

  test('without values the envelopes come, whole', async () => {
    await log().append(TOPIC, 0, [message('a', 'x'.repeat(5000)), message('b', 'y', 'epoch')]);
    const read = await readAll(log(), 1, { hasValues: false });
    expect(read.map((m) => [m.kind, headerOf(m), m.value.length])).toEqual([
      ['block', 'a', 0],
      ['epoch', 'b', 0],
    ]);
  });

  testIf('clock')('appendedAt is the clock of the log and never goes back', async () => {
    let nowMs = 1_700_000_000_000;
    const withClock = await harness().open({ clock: { ...systemClock, nowMs: () => nowMs } });
    const topic = { topic: 'test.clock', partitions: 1, messageBytesMax: 1000 };
    await withClock.ensureTopics([topic]);
    for (const stepMs of [1000, -5000, 4500, 2000]) {
      nowMs += stepMs;
      await withClock.append(topic.topic, 0, [message('a')]);
    }
    const times: number[] = [];
    for await (const batch of withClock.read(topic.topic, 0, 0, { isFollowing: false })) {
      times.push(...batch.map(({ appendedAtMs }) => appendedAtMs - 1_700_000_000_000));
    }
    expect(times).toEqual([0, 1000, 1000, 1000, 2500]);
  });
}

function describeFollowing({ harness, log }: Given): void {
  test('a follower gets what others append, in order, and ends at its signal', async () => {
    const other = await harness().open();
    const abort = new AbortController();
    const got: string[] = [];
    const following = (async () => {
      for await (const batch of log().read(TOPIC, 0, 1, { isFollowing: true, signal: abort.signal })) {
        got.push(...batch.map(headerOf));
        if (got.length === 20) abort.abort();
      }
    })();
    for (let n = 0; n < 20; n++) {
      await (n % 2 === 0 ? log() : other).append(TOPIC, 0, [message(`${n}`)]);
      if (n % 5 === 0) await systemClock.sleep(30);
    }
    await following;
    expect(got).toEqual(Array.from({ length: 20 }, (_, n) => `${n}`));
  });

  test('a follower that has long been idle still sees soon what another connection appends', async () => {
    const other = await harness().open();
    const reading = log().read(TOPIC, 0, 1, { isFollowing: true, waitMsMax: 60_000 })[Symbol.asyncIterator]();
    const next = reading.next();
    await systemClock.sleep(1000);
    const startMs = systemClock.monotonicMs();
    await other.append(TOPIC, 0, [message('a')]);
    expect((await next).value.map(headerOf)).toEqual(['a']);
    expect(systemClock.monotonicMs() - startMs).toBeLessThan(20_000);
  });

  test('a follower at the end gets an empty batch after waitMsMax, and again', async () => {
    const startMs = systemClock.monotonicMs();
    const abort = new AbortController();
    let empty = 0;
    for await (const batch of log().read(TOPIC, 0, 1, { isFollowing: true, waitMsMax: 100, signal: abort.signal })) {
      expect(batch).toEqual([]);
      if (++empty === 2) abort.abort();
    }
    const tookMs = systemClock.monotonicMs() - startMs;
    expect(empty).toBe(2);
    expect(tookMs).toBeGreaterThanOrEqual(195);
    expect(tookMs).toBeLessThan(20_000);
  });

  test('a signal ends a waiting follower at once, and one that is aborted already begins none', async () => {
    const abort = new AbortController();
    const options = { isFollowing: true, waitMsMax: 60_000, signal: abort.signal };
    const startMs = systemClock.monotonicMs();
    setTimeout(() => abort.abort(), 50);
    expect(await readAll(log(), 1, options)).toEqual([]);
    expect(systemClock.monotonicMs() - startMs).toBeLessThan(20_000);
    expect(await readAll(log(), 0, options)).toEqual([]);
  });

  test('close ends a waiting follower', async () => {
    const other = await harness().open();
    const following = readAll(other, 1, { isFollowing: true, waitMsMax: 60_000 });
    await systemClock.sleep(20);
    await other.close();
    expect(await following).toEqual([]);
  });
}
