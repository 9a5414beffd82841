import { describe, expect, test } from '@jest/globals';
import type { AgentMark, EpochBody, SourceMark } from '../../../src/epoch/epoch.ts';
import { Frontier } from '../../../src/sinks/events/frontier.ts';
import { bodyOf } from '../../support/epochs.ts';

const AGENT = '00000000-0000-4000-8000-000000000000';
const IDLE_MS = 30_000;
const LOST_MS = 3_600_000;

const source = (state: SourceMark['state'], quietSinceMs = 0, number = 1): SourceMark =>
  ({ source: `${AGENT}/${number}`, state, quietSinceMs }) as SourceMark;
const agent = (tMs: number, logTimeMs = 0): AgentMark => ({ agent: AGENT, tMs, logTimeMs }) as AgentMark;

/** Two partitions; the first is the one that tests are about. */
class Two {
  readonly frontier = new Frontier({ partitions: 2, idleTimeoutMs: IDLE_MS, agentLostTimeoutMs: LOST_MS });
  readonly #n = [0, 0];

  say(partition: number, body: Partial<EpochBody>, { isSnapshot = false, to = 0 } = {}): this {
    const n = ++this.#n[partition]!;
    this.frontier.apply(
      partition,
      {
        id: '',
        prev: '',
        task: { pipeline: 'web', stream: 'access', partition },
        n,
        from: 0,
        to,
        rawLog: '',
        rawId: '',
        isSnapshot,
        generation: 1,
        otherLines: {},
        possibleLossBytes: 0,
        possibleDoubleBytes: 0,
        part: 0,
        parts: 1,
      },
      bodyOf(body),
    );
    return this;
  }

  /** With the second far ahead and reading: only the first can hold it. */
  static ahead(): Two {
    return new Two().say(1, { watermarkMs: 1000, sources: [source('reading')], agents: [agent(0)] });
  }
}

test('a partition that has not begun holds everything', () => {
  expect(Two.ahead().frontier.reach()).toEqual({ watermarkMs: -Infinity, idle: [] });
});

describe('a partition holds time back', () => {
  test.each(['announced', 'reading', 'gap', 'unreadable'] as const)('with a source that is %s', (state) => {
    const two = Two.ahead().say(0, { watermarkMs: 10, sources: [source(state)], agents: [agent(1e9)] });
    expect(two.frontier.reach()).toEqual({ watermarkMs: 10, idle: [] });
  });

  test('with a source that is caught up, until it was quiet for the idle timeout', () => {
    const two = Two.ahead();
    const caughtUp = { watermarkMs: 10, sources: [source('caught_up', 5000)] };
    two.say(0, { ...caughtUp, agents: [agent(5000 + IDLE_MS - 1)] });
    expect(two.frontier.reach()).toEqual({ watermarkMs: 10, idle: [] });
    // Only the agent's clock has moved: the source is not said again.
    two.say(0, { watermarkMs: 10, agents: [agent(5000 + IDLE_MS)] });
    expect(two.frontier.reach()).toEqual({ watermarkMs: 1000, idle: [0] });
  });

  test('with a source whose agent is not known', () => {
    const two = Two.ahead().say(0, { watermarkMs: 10, sources: [source('caught_up')] });
    expect(two.frontier.reach().watermarkMs).toBe(10);
  });
});

describe('a partition holds nothing back', () => {
  test('without a source, with closed and with forgotten ones', () => {
    const two = Two.ahead().say(0, { watermarkMs: 10 });
    expect(two.frontier.reach()).toEqual({ watermarkMs: 1000, idle: [0] });
    two.say(0, { watermarkMs: 10, sources: [source('reading'), source('reading', 0, 2)], agents: [agent(0)] });
    expect(two.frontier.reach().idle).toEqual([]);
    two.say(0, { watermarkMs: 10, sources: [source('closed'), source('forgotten', 0, 2)] });
    expect(two.frontier.reach().idle).toEqual([0]);
  });

  test('when its agent is lost', () => {
    const reading = { watermarkMs: 10, sources: [source('reading')], agents: [agent(0, 1000)] };
    const two = Two.ahead().say(0, { ...reading, logTimeMs: 1000 + LOST_MS });
    expect(two.frontier.reach().watermarkMs).toBe(10);
    two.say(0, { watermarkMs: 10, logTimeMs: 1000 + LOST_MS + 1 });
    expect(two.frontier.reach().watermarkMs).toBe(1000);
  });

  test('with what a snapshot no longer names', () => {
    const two = Two.ahead().say(0, { watermarkMs: 10, sources: [source('reading')], agents: [agent(0)] });
    two.say(0, { watermarkMs: 10 }, { isSnapshot: true });
    expect(two.frontier.reach().idle).toEqual([0]);
  });
});

test('when nobody holds, the furthest says the time', () => {
  const two = new Two().say(0, { watermarkMs: 10 }).say(1, { watermarkMs: 20 });
  expect(two.frontier.reach()).toEqual({ watermarkMs: 20, idle: [0, 1] });
});

test('what was read, and how far everybody is', () => {
  const { frontier } = new Two().say(0, {}, { to: 5 }).say(0, {}, { to: 7 });
  expect([frontier.hasRead(0, 7), frontier.hasRead(0, 8)]).toEqual([true, false]);
  expect(frontier.position).toEqual([2, 0]);
});
