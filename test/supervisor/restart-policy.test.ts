import { describe, expect, test } from '@jest/globals';
import { RESTART_DEFAULTS, RestartPolicy } from '../../src/supervisor/restart-policy.ts';
import type { Exit } from '../../src/supervisor/service.ts';

const CRASH: Exit = { code: null, signal: 'SIGKILL' };
const FENCED: Exit = { code: 75, signal: null };
const UNREACHABLE: Exit = { code: 4, signal: null };

/** Pauses of a role that ends at once, again and again, at the moments its pauses lead to. */
function pausesOf(exit: Exit, times: number, options = RESTART_DEFAULTS): (number | string)[] {
  const policy = new RestartPolicy(options);
  let nowMs = 0;
  return Array.from({ length: times }, () => {
    const decision = policy.decide(exit, false, 0, nowMs);
    if (decision.kind !== 'restart') return decision.kind;
    nowMs += decision.pauseMs;
    return decision.pauseMs;
  });
}

describe('a role that crashes', () => {
  test('starts again at once the first time, then ever more slowly', () => {
    const options = { ...RESTART_DEFAULTS, failuresMax: 100 };
    expect(pausesOf(CRASH, 9, options)).toEqual([100, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  });

  test('after healthy time starts at once again', () => {
    const policy = new RestartPolicy(RESTART_DEFAULTS);
    policy.decide(CRASH, false, 0, 0);
    policy.decide(CRASH, false, 0, 1000);
    expect(policy.decide(CRASH, false, 59_999, 70_000)).toMatchObject({ pauseMs: 2000 });
    expect(policy.decide(CRASH, false, 60_000, 140_000)).toMatchObject({ pauseMs: 100 });
  });

  test('ends everything with exit code 1 at one failure more than allowed within the window', () => {
    const policy = new RestartPolicy({ ...RESTART_DEFAULTS, failuresMax: 2, failureWindowMs: 1000 });
    expect(policy.decide(CRASH, false, 0, 0).kind).toBe('restart');
    expect(policy.decide(CRASH, false, 0, 1).kind).toBe('restart');
    // The first of the last three is just out of the window.
    expect(policy.decide(CRASH, false, 0, 1001).kind).toBe('restart');
    expect(policy.decide(CRASH, false, 0, 1001)).toMatchObject({ kind: 'stop', exitCode: 1 });
  });

  test('is given up on within some minutes by default', () => {
    expect(pausesOf(CRASH, 13).at(-1)).toBe('stop');
  });
});

test('a role that dies in the middle of a query is no failure, however often, but one that ends by itself is', () => {
  const policy = new RestartPolicy({ ...RESTART_DEFAULTS, failuresMax: 1 });
  for (let i = 0; i < 50; i++) {
    expect(policy.decide(CRASH, false, 0, i, true)).toMatchObject({ kind: 'restart', pauseMs: 100 });
  }
  const failed: Exit = { code: 1, signal: null };
  expect(policy.decide(failed, false, 0, 50, true).kind).toBe('restart');
  expect(policy.decide(failed, false, 0, 51, true).kind).toBe('stop');
});

describe('a role that was fenced', () => {
  test('backs off from a second to a minute, is no failure, and is an alarm at the third', () => {
    const policy = new RestartPolicy({ ...RESTART_DEFAULTS, failuresMax: 0 });
    const decisions = Array.from({ length: 8 }, (_, i) => policy.decide(FENCED, false, 0, i));
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
    const policy = new RestartPolicy(RESTART_DEFAULTS);
    expect(policy.decide({ code, signal: null }, false, 0, 0)).toMatchObject({ kind: 'stop', exitCode: code });
  }
});

test('what was healthy with its configuration is started again, whatever it refuses now: the others go on', () => {
  const policy = new RestartPolicy(RESTART_DEFAULTS);
  const refusing: Exit = { code: 3, signal: null };
  expect(policy.decide(refusing, false, RESTART_DEFAULTS.healthyMs, 0)).toMatchObject({
    kind: 'restart',
    pauseMs: 100,
  });
  for (let nowMs = 1; nowMs < 50; nowMs++) expect(policy.decide(refusing, false, 10, nowMs).kind).toBe('restart');
  expect(policy.decide({ code: 2, signal: null }, false, 10, 60).kind).toBe('stop');
});

test('exit code 0 is the end of a role that may finish, and a failure of one that may not', () => {
  const policy = new RestartPolicy(RESTART_DEFAULTS);
  expect(policy.decide({ code: 0, signal: null }, true, 0, 0)).toEqual({ kind: 'done' });
  expect(policy.decide({ code: 0, signal: null }, false, 0, 0).kind).toBe('restart');
});

test('a role that waits for something outside is told of once, until it was healthy or failed in another way', () => {
  const policy = new RestartPolicy(RESTART_DEFAULTS);
  const echoes = (exit: Exit, ranMs = 0): boolean | undefined => {
    const decision = policy.decide(exit, false, ranMs, 0);
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
  const policy = new RestartPolicy(RESTART_DEFAULTS);
  const kinds = [MISMATCH, MISMATCH, UNREACHABLE, MISMATCH, MISMATCH].map(
    (exit) => policy.decide(exit, false, 0, 0).kind,
  );
  expect(kinds).toEqual(['restart', 'restart', 'restart', 'restart', 'restart']);
  // Time of health between two of them makes the next the first again.
  expect(policy.decide(MISMATCH, false, 60_000, 0).kind).toBe('restart');
  expect(policy.decide(MISMATCH, false, 0, 0)).toMatchObject({ kind: 'restart' });
  expect(policy.decide(MISMATCH, false, 0, 0)).toMatchObject({ kind: 'stop', exitCode: 77 });
});
