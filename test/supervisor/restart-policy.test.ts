import { describe, expect, test } from '@jest/globals';
import { seededRandom } from '../../src/lib/random.ts';
import { type Decision, RestartPolicy } from '../../src/supervisor/restart-policy.ts';
import { RESTART_DEFAULTS, type RestartOptions } from '../../src/supervisor/restart-strategy.ts';
import type { Exit } from '../../src/supervisor/service.ts';

const CRASH: Exit = { code: null, signal: 'SIGKILL' };
const FENCED: Exit = { code: 75, signal: null };
const UNREACHABLE: Exit = { code: 4, signal: null };

/** Without chance, and doubling, so that pauses can be read. */
const OPTIONS = { ...RESTART_DEFAULTS, multiplier: 2, jitter: 0 } as RestartOptions;

class Policy extends RestartPolicy {
  constructor(more: object = {}) {
    super({ ...OPTIONS, ...more } as RestartOptions, seededRandom(1));
  }

  after(exit: Exit, { canFinish = false, ranMs = 0, nowMs = 0, hasWorked = false, wasAsked = false } = {}): Decision {
    return this.decide({ exit, ranMs, nowMs, hasWorked, wasAsked }, canFinish);
  }
}

/** Pauses of a role that ends at once, again and again, at the moments its pauses lead to. */
function pausesOf(exit: Exit, times: number, more: object = {}): (number | string)[] {
  const policy = new Policy(more);
  let nowMs = 0;
  return Array.from({ length: times }, () => {
    const decision = policy.after(exit, { nowMs });
    if (decision.kind !== 'restart') return decision.kind;
    nowMs += decision.pauseMs;
    return decision.pauseMs;
  });
}

describe('a role that crashes', () => {
  test('starts again at once the first time, then ever more slowly', () => {
    expect(pausesOf(CRASH, 9)).toEqual([100, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  });

  test('after work starts at once again, however often; after a minute of life, too', () => {
    const policy = new Policy({ attemptsMax: 2 });
    for (let i = 0; i < 50; i++)
      expect(policy.after(CRASH, { hasWorked: true, nowMs: i })).toMatchObject({ kind: 'restart', pauseMs: 100 });
    expect(policy.after(CRASH, { ranMs: 59_999, nowMs: 1000 })).toMatchObject({ pauseMs: 1000 });
    expect(policy.after(CRASH, { ranMs: 60_000, nowMs: 70_000 })).toMatchObject({ pauseMs: 100 });
  });

  test('that says itself what is wrong with it is not excused by its work', () => {
    const policy = new Policy({ attemptsMax: 2 });
    const failed: Exit = { code: 1, signal: null };
    const kinds = [1, 2, 3].map((nowMs) => policy.after(failed, { hasWorked: true, nowMs }).kind);
    expect(kinds).toEqual(['restart', 'restart', 'stop']);
  });

  test('ends everything with exit code 1 where its strategy has no restart left', () => {
    expect(pausesOf(CRASH, 13).at(-1)).toBe('stop');
    const policy = new Policy({ attemptsMax: 1 });
    policy.after(CRASH);
    expect(policy.after(CRASH)).toEqual({
      kind: 'stop',
      exitCode: 1,
      reason: 'signal SIGKILL: 2 failures in a row, and no work in between',
    });
  });
});

test('a role that dies in the middle of a query is no failure, however often, but one that ends by itself is', () => {
  const policy = new Policy({ attemptsMax: 1 });
  for (let nowMs = 0; nowMs < 50; nowMs++) {
    expect(policy.after(CRASH, { nowMs, wasAsked: true })).toMatchObject({ kind: 'restart', pauseMs: 100 });
  }
  const failed: Exit = { code: 1, signal: null };
  expect(policy.after(failed, { wasAsked: true }).kind).toBe('restart');
  expect(policy.after(failed, { wasAsked: true }).kind).toBe('stop');
});

test('of two that fence each other, both work in between: they back off all the same', () => {
  const policy = new Policy();
  const pauses = [1, 2, 3].map(() => policy.after(FENCED, { hasWorked: true }));
  expect(pauses.map((decision) => decision.kind === 'restart' && decision.pauseMs)).toEqual([1000, 2000, 4000]);
});

describe('a role that was fenced', () => {
  test('backs off from a second to a minute, is no failure, and is an alarm at the third', () => {
    const policy = new Policy({ attemptsMax: 1 });
    const decisions = Array.from({ length: 8 }, (_, i) => policy.after(FENCED, { nowMs: i }));
    expect(decisions.map((decision) => (decision.kind === 'restart' ? decision.pauseMs : decision.kind))).toEqual([
      1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000,
    ]);
    expect(decisions.map((decision) => decision.kind === 'restart' && decision.isAlarm)).toEqual([
      false,
      false,
      true,
      true,
      true,
      true,
      true,
      true,
    ]);
  });
});

test('what cannot be reached is waited for, for ever', () => {
  expect(pausesOf(UNREACHABLE, 50)).not.toContain('stop');
});

test('a superseded role and one with a wrong configuration end everything with their code', () => {
  for (const code of [76, 3, 2]) {
    const policy = new Policy();
    expect(policy.after({ code, signal: null })).toMatchObject({ kind: 'stop', exitCode: code });
  }
});

test('what was healthy with its configuration is started again, whatever it refuses now: the others go on', () => {
  const policy = new Policy();
  const refusing: Exit = { code: 3, signal: null };
  expect(policy.after(refusing, { ranMs: 60_000 })).toMatchObject({
    kind: 'restart',
    pauseMs: 100,
  });
  for (let nowMs = 1; nowMs < 50; nowMs++) expect(policy.after(refusing, { ranMs: 10, nowMs }).kind).toBe('restart');
  expect(policy.after({ code: 2, signal: null }, { ranMs: 10 }).kind).toBe('stop');
});

test('exit code 0 is the end of a role that may finish, and a failure of one that may not', () => {
  const policy = new Policy();
  expect(policy.after({ code: 0, signal: null }, { canFinish: true })).toEqual({ kind: 'done' });
  expect(policy.after({ code: 0, signal: null }).kind).toBe('restart');
});

test('a role that waits for something outside is told of once, until it was healthy or failed in another way', () => {
  const policy = new Policy();
  const echoes = (exit: Exit, ranMs = 0): boolean | undefined => {
    const decision = policy.after(exit, { ranMs });
    return decision.kind === 'restart' ? decision.isEcho : undefined;
  };
  expect([echoes(UNREACHABLE), echoes(UNREACHABLE), echoes(UNREACHABLE)]).toEqual([false, true, true]);
  expect([echoes(UNREACHABLE, 60_000), echoes(UNREACHABLE)]).toEqual([false, true]);
  expect([echoes(CRASH), echoes(UNREACHABLE), echoes(FENCED), echoes(UNREACHABLE)]).toEqual([
    false,
    false,
    false,
    false,
  ]);
});

test('a log that does not fit what a role remembers stops everything at the third look, not at the first', () => {
  const MISMATCH: Exit = { code: 77, signal: null };
  expect(pausesOf(MISMATCH, 3)).toEqual([100, 1000, 'stop']);
  const policy = new Policy();
  const kinds = [MISMATCH, MISMATCH, UNREACHABLE, MISMATCH, MISMATCH].map((exit) => policy.after(exit).kind);
  expect(kinds).toEqual(['restart', 'restart', 'restart', 'restart', 'restart']);
  // Time of health between two of them makes the next the first again.
  expect(policy.after(MISMATCH, { ranMs: 60_000 }).kind).toBe('restart');
  expect(policy.after(MISMATCH)).toMatchObject({ kind: 'restart' });
  expect(policy.after(MISMATCH)).toMatchObject({ kind: 'stop', exitCode: 77 });
});
