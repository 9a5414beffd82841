import { expect, test } from '@jest/globals';
import { type KafkaEvent, Patience } from '../../../src/broker/kafka/patience.ts';
import { OperatingError } from '../../../src/lib/errors.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { ManualClock } from '../../support/manual-clock.ts';

interface World {
  readonly clock: ManualClock;
  readonly patience: Patience;
  readonly events: KafkaEvent[];
  readonly stop: AbortController;
  readonly closing: AbortController;
}

function world(): World {
  const [clock, events, stop, closing] = [
    new ManualClock(),
    [] as KafkaEvent[],
    new AbortController(),
    new AbortController(),
  ];
  const patience = new Patience({
    clock,
    random: seededRandom(1),
    signal: closing.signal,
    stop: stop.signal,
    notify: (event) => events.push(event),
  });
  return { clock, patience, events, stop, closing };
}

/** Fails until `heal`. */
function flaky(): { readonly work: () => Promise<string>; heal(): void; tries: number } {
  let isWell = false;
  return {
    tries: 0,
    heal: () => (isWell = true),
    async work() {
      this.tries++;
      if (!isWell) throw new Error('connect ECONNREFUSED');
      return 'done';
    },
  };
}

test('what is away is waited for, with growing pauses; it is said once, and once that it is back', async () => {
  const { clock, patience, events } = world();
  const [one, two] = [flaky(), flaky()];
  const both = Promise.all([patience.retry('a/0', () => one.work()), patience.retry('b/0', () => two.work())]);
  await clock.advance(60_000);
  expect(events).toEqual([{ type: 'away', reason: expect.stringContaining('ECONNREFUSED') as unknown }]);
  expect(one.tries).toBeGreaterThan(20);
  expect(one.tries).toBeLessThan(60);
  one.heal();
  await clock.advance(5_000);
  // One of two is not back.
  expect(events).toHaveLength(1);
  two.heal();
  await clock.advance(5_000);
  expect(events.map(({ type }) => type)).toEqual(['away', 'back']);
  expect(await both).toEqual(['done', 'done']);
});

test('one place that stays away is said, although others answer', async () => {
  const { clock, patience, events, closing } = world();
  const lost = flaky();
  const waiting = patience.retry('lost/0', () => lost.work());
  waiting.catch(() => undefined);
  for (let second = 0; second < 10; second++) {
    await patience.retry('fine/0', async () => undefined);
    await clock.advance(1_000);
  }
  expect(events).toEqual([{ type: 'away', reason: expect.stringMatching(/^lost\/0: /) as unknown }]);
  closing.abort();
  await clock.advance(5_000);
  await expect(waiting).rejects.toBeInstanceOf(OperatingError);
});

test('a leader that moves is nobody’s business', async () => {
  const { clock, patience, events } = world();
  const moving = flaky();
  const waiting = patience.retry('a/0', () => moving.work());
  await clock.advance(1_500);
  moving.heal();
  await clock.advance(5_000);
  expect(await waiting).toBe('done');
  expect(events).toEqual([]);
});

test('who is to stop waits no longer, and what works goes on', async () => {
  const { clock, patience, stop } = world();
  const away = flaky();
  const waiting = patience.retry('a/0', () => away.work());
  waiting.catch(() => undefined);
  await clock.advance(1_000);
  stop.abort();
  await clock.advance(5_000);
  await expect(waiting).rejects.toMatchObject({ code: 'LOG_UNREACHABLE', isRetryable: true });
  expect(await patience.retry('b/0', async () => 'still')).toBe('still');
});

test('what waiting cannot mend is thrown at once', async () => {
  const { patience } = world();
  const bug = new TypeError('x is not a function');
  await expect(patience.retry('a/0', () => Promise.reject(bug))).rejects.toBe(bug);
  const refused = Object.assign(new Error('no'), { type: 'TOPIC_AUTHORIZATION_FAILED' });
  await expect(patience.retry('a/0', () => Promise.reject(refused))).rejects.toMatchObject({
    code: 'LOG_ACCESS_DENIED',
  });
});
