import { afterEach, describe, expect, test } from '@jest/globals';
import { setMutant } from '../../src/lib/mutant.ts';
import { Feed, TestFile, plainPipeline, plainState } from '../support/raw-stream.ts';

afterEach(() => setMutant(undefined));

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** The agent's clock in these tests. */
const NOW = 100 * HOUR;

/** A file with a line at each of these event times, read at NOW. */
function fileOf(source: string, ...timesMs: number[]): TestFile {
  const file = new TestFile(
    source,
    timesMs.map((timeMs) => `${timeMs} k 1`),
  );
  file.readAtMs = NOW;
  return file;
}

function announced(...files: readonly TestFile[]): Feed {
  return new Feed().beat(
    NOW,
    files.map((file) => file.report('announced')),
  );
}

const caughtUp = (file: TestFile, quietSinceMs = NOW) => file.report('caught_up', file.end, { quietSinceMs });

describe('the watermark of a partition', () => {
  test('is the least of its sources, each at its largest event time, less the bound and a millisecond', () => {
    const [one, two] = [fileOf('a/1', 5000, 3000), fileOf('a/2', 9000)];
    const feed = new Feed(plainState(plainPipeline(undefined, { outOfOrdernessMs: 1000 })));
    feed.beat(NOW, [one.report('announced'), two.report('announced')]).send(one.block());
    expect(feed.state.watermarkMs).toBe(-Infinity);
    feed.send(two.block());
    expect(feed.state.watermarkMs).toBe(5000 - 1000 - 1);
  });

  test('never goes back', () => {
    const [one, late] = [fileOf('a/1', 5000), fileOf('a/2', 1000)];
    const feed = announced(one).send(one.block());
    expect(feed.state.watermarkMs).toBe(4999);
    feed
      .beat(NOW, [late.report('announced')])
      .send(late.block())
      .beat(NOW);
    expect(feed.state.watermarkMs).toBe(4999);
  });

  test('waits for a source that was announced and is not read: access.log.1 is not late because access.log came first', () => {
    const [current, rotated] = [fileOf('a/2', 5 * MINUTE), fileOf('a/1', 0, MINUTE)];
    const feed = announced(current, rotated).send(current.block(), rotated.block());
    expect(feed.state.takeBody(false).late).toEqual([]);
    setMutant('watermark.no_announced_hold');
    const blind = announced(current, rotated).send(current.block(), rotated.block());
    expect(blind.state.takeBody(false).late).toHaveLength(2);
  });

  test('does not move between the parts of a beat: what is announced comes with the last', () => {
    const [old, live, next] = [fileOf('a/1', 0), fileOf('a/2', HOUR), fileOf('a/3', MINUTE)];
    const feed = announced(old, live).send(old.block(), live.block());
    feed.beat(NOW, [old.report('closed', old.end)], { part: 0, parts: 2 });
    expect(feed.state.watermarkMs).toBe(-1);
    feed.beat(NOW, [next.report('announced')], { part: 1, parts: 2 });
    expect(feed.state.watermarkMs).toBe(-1);
    feed.send(next.block()).beat(NOW);
    expect(feed.state.watermarkMs).toBe(MINUTE - 1);
  });
});

describe('a source leaves the watermark', () => {
  test('when it is caught up and quiet for the idle timeout, by the time of beats', () => {
    const [quiet, live] = [fileOf('a/1', 0), fileOf('a/2', HOUR)];
    const feed = announced(quiet, live).send(quiet.block(), live.block());
    feed.beat(NOW + 10_000, [caughtUp(quiet)]).beat(NOW + 29_999);
    expect(feed.state.watermarkMs).toBe(-1);
    feed.beat(NOW + 30_000);
    expect(feed.state.watermarkMs).toBe(HOUR - 1);
  });

  test('not while it is being read, however long that takes', () => {
    const [slow, live] = [fileOf('a/1', 0, 1), fileOf('a/2', HOUR)];
    const feed = announced(slow, live).send(slow.block(0, slow.at(1)), live.block());
    feed.beat(NOW, [slow.report('reading', slow.at(1)), live.report('reading', live.end)]).beat(NOW + HOUR);
    expect(feed.state.watermarkMs).toBe(-1);
  });

  test('and holds again when it has something to read', () => {
    const [quiet, live] = [fileOf('a/1', 0, HOUR + 30_000), fileOf('a/2', HOUR, HOUR + 50_000)];
    const feed = announced(quiet, live).send(quiet.block(0, quiet.at(1)), live.block(0, live.at(1)));
    feed.beat(NOW, [quiet.report('caught_up', quiet.at(1))]).beat(NOW + 30_000);
    quiet.readAtMs = NOW + 30_000;
    feed.send(quiet.block(quiet.at(1)), live.block(live.at(1)));
    expect(feed.state.watermarkMs).toBe(HOUR + 30_000 - 1);
  });

  test('when it is closed, for good', () => {
    const [closed, live] = [fileOf('a/1', 0), fileOf('a/2', HOUR)];
    const feed = announced(closed, live)
      .send(closed.block(), live.block())
      .beat(NOW, [closed.report('closed', closed.end)]);
    expect(feed.state.watermarkMs).toBe(HOUR - 1);
  });

  test('when nothing it sent had an event time', () => {
    const [bad, live] = [new TestFile('a/1', ['no line of this codec']), fileOf('a/2', HOUR)];
    const feed = announced(bad, live).send(live.block(), bad.block()).beat(NOW);
    expect(feed.state.watermarkMs).toBe(HOUR - 1);
  });

  test.each(['gap', 'unreadable'] as const)('not while it is in the state %s: its silence says nothing', (state) => {
    const [stuck, live] = [fileOf('a/1', 0, 1, 2), fileOf('a/2', HOUR)];
    const feed = announced(stuck, live).send(stuck.block(0, stuck.at(1)), live.block());
    if (state === 'gap') feed.send(stuck.block(stuck.at(2)));
    feed.beat(NOW, [stuck.report(state === 'gap' ? 'caught_up' : 'unreadable', stuck.at(1))]).beat(NOW + 10 * HOUR);
    expect(feed.state.watermarkMs).toBe(-1);
    const bad = new TestFile('a/4', ['no line of this codec', 'nor this']);
    const blind = announced(bad, live).send(bad.block(0, bad.at(1)));
    blind.send(...(state === 'gap' ? [bad.block(bad.at(1), bad.end, { prev: bad.at(1) + 1 })] : []));
    blind
      .beat(NOW, [bad.report('unreadable', bad.at(1))])
      .send(live.block())
      .beat(NOW + HOUR);
    expect(blind.state.watermarkMs).toBe(-Infinity);
    const never = fileOf('a/3', 0);
    const other = announced(never, live)
      .send(live.block())
      .beat(NOW, [never.report('unreadable')]);
    expect(other.beat(NOW + 10 * HOUR).state.watermarkMs).toBe(-Infinity);
  });

  test('when its agent is lost: log time has gone on without a beat of it', () => {
    const [lost, live] = [fileOf('a/1', 0), fileOf('b/1', 2 * HOUR)];
    const feed = announced(lost)
      .beat(NOW, [live.report('announced')], { agent: 'b' })
      .send(lost.block(), live.block());
    feed.letLogTimePass(HOUR - 10_000, ['b']);
    expect(feed.state.watermarkMs).toBe(-1);
    feed.letLogTimePass(20_000, ['b']);
    expect(feed.state.watermarkMs).toBe(2 * HOUR - 1);
  });

  test('not because the whole system was away: a step of log time is at most 10 s', () => {
    const [one, live] = [fileOf('a/1', 0), fileOf('b/1', 2 * HOUR)];
    const feed = announced(one)
      .beat(NOW, [live.report('announced')], { agent: 'b' })
      .send(one.block(), live.block());
    feed.appendedAtMs += 50 * HOUR;
    feed.beat(NOW, [], { agent: 'b' });
    expect(feed.state.watermarkMs).toBe(-1);
  });
});

describe('a line that is far ahead', () => {
  const MINUTES = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i * 1000);

  test('moves nothing, in a log of now and in one of long ago', () => {
    for (const startMs of [NOW - MINUTE, NOW - 50 * HOUR]) {
      const good = MINUTES(startMs, 60);
      const file = fileOf('a/1', ...good.slice(0, 30), startMs + 50 * MINUTE, ...good.slice(30));
      const feed = announced(file).send(file.block());
      expect(feed.state.takeBody(false).late).toEqual([]);
      expect(feed.state.watermarkMs).toBe(good.at(-1)! - 1);
    }
  });

  test('nor do many, in a log of now: time goes no further than the agent’s', () => {
    const good = MINUTES(NOW - MINUTE, 50);
    const file = fileOf('a/1', ...good, ...MINUTES(NOW + 50 * MINUTE, 30), ...good.map((ms) => ms + 8_000));
    file.readAtMs = NOW - 2000;
    const feed = announced(file).send(file.block());
    expect(feed.state.takeBody(false).late).toEqual([]);
    expect(feed.state.watermarkMs).toBe(NOW - 2000 - 1);
  });

  test('as the first of its source holds the clock until others follow; what is unconfirmed is there after a restart', () => {
    const [old, next] = [fileOf('a/1', 0), fileOf('a/2', ...MINUTES(HOUR, 9))];
    const feed = announced(old)
      .send(old.block())
      .beat(NOW, [old.report('closed', old.end), next.report('announced')]);
    feed.send(next.block(0, next.at(7))).beat(NOW);
    expect(feed.state.watermarkMs).toBe(-1);
    const body = feed.state.takeBody(true);
    expect(body.sources.find(({ source }) => source === 'a/2')).toMatchObject({
      leap: { lines: 7, maxMs: HOUR + 6000 },
    });
    feed.send(next.block(next.at(7), next.at(8)));
    expect(feed.state.watermarkMs).toBe(HOUR + 7000 - 1);
    expect(feed.state.takeBody(true).sources.every(({ leap }) => leap === undefined)).toBe(true);
  });
});

describe('when no source holds', () => {
  const idle = (feed: Feed, file: TestFile, tMs: number): Feed => feed.beat(NOW, [caughtUp(file)]).beat(tMs);

  test('the agents’ time closes what is open, and moves nothing further', () => {
    const file = fileOf('a/1', 10, 5 * MINUTE + 1);
    const feed = idle(announced(file).send(file.block()), file, NOW + 30_000);
    expect(feed.state.watermarkMs).toBe(6 * MINUTE - 1);
    expect(feed.state.takeBody(false).upserts[0]?.length).toBe(2);
    // A pause in a replayed log: what comes after it is not late.
    file.content = Buffer.concat([file.content, Buffer.from(`${6 * MINUTE} k 1\n${20 * MINUTE} k 1\n`)]);
    feed.send(file.block(file.at(2)));
    expect(feed.state.takeBody(false).late).toEqual([]);
  });

  test('live lines stay within the bound of the agents’ time', () => {
    const file = fileOf('a/1', NOW);
    const feed = announced(file).send(file.block());
    idle(feed, file, NOW + 30_000);
    expect(feed.state.watermarkMs).toBe(NOW + 30_000 - 1);
    feed.beat(NOW + HOUR);
    expect(feed.state.watermarkMs).toBe(NOW + MINUTE - 1);
  });

  test('the slowest agent says the time, one that is lost does not, one that has ended no more', () => {
    const [one, two] = [fileOf('a/1', NOW), fileOf('b/1', NOW)];
    const start = (): Feed =>
      announced(one)
        .beat(NOW, [two.report('announced')], { agent: 'b' })
        .send(one.block(), two.block())
        .beat(NOW + 40_000, [caughtUp(one)])
        .beat(NOW + 31_000, [caughtUp(two)], { agent: 'b' });
    expect(start().state.watermarkMs).toBe(NOW + 31_000 - 1);
    expect(start().beat(NOW + 31_000, [], { agent: 'b', hasEnded: true }).state.watermarkMs).toBe(NOW + 40_000 - 1);
    expect(
      start()
        .beat(NOW + 40_000, [], { hasEnded: true })
        .beat(NOW + 31_000, [], { agent: 'b', hasEnded: true }).state.watermarkMs,
    ).toBe(NOW + MINUTE - 1);
  });

  test('and no agent is alive, time stands still', () => {
    const file = fileOf('a/1', NOW);
    const feed = announced(file)
      .send(file.block())
      .letLogTimePass(2 * HOUR);
    const held = feed.state.watermarkMs;
    feed.send(file.block());
    expect([held, feed.state.watermarkMs]).toEqual([NOW - 1, NOW - 1]);
  });
});

describe('an agent whose clock goes back', () => {
  test('does not make a busy source idle, nor time go back', () => {
    const [one, two] = [fileOf('a/1', NOW, NOW + 1), fileOf('a/2', NOW + MINUTE)];
    two.readAtMs = NOW + MINUTE;
    const feed = announced(one, two).send(one.block(0, one.at(1)), two.block());
    const back = NOW - HOUR;
    one.readAtMs = back;
    feed.beat(back, [one.report('caught_up', one.at(1))]).beat(back + 29_999);
    expect(feed.state.watermarkMs).toBe(NOW - 1);
    feed.beat(back + 30_000);
    expect(feed.state.watermarkMs).toBe(NOW + MINUTE - 1);
  });
});
