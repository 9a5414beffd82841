import { describe, expect, test } from '@jest/globals';
import {
  CheckpointPolicy,
  type CheckpointRules,
  type EpochsBefore,
  type Moment,
} from '../../src/engine/checkpoint-policy.ts';
import { EPOCH_BYTES_MAX } from '../../src/engine/state.ts';

const RULES: CheckpointRules = {
  checkpoint: { intervalMs: 1_000, minPauseMs: 100, timeoutMs: 60_000, positionsIntervalMs: 30_000 },
  snapshotBytes: 1_000,
  isOnce: false,
};
const IDLE: Moment = {
  nowMs: 0,
  isAtEnd: false,
  isInFlight: false,
  changedBytes: 0,
  hasFates: false,
  hasDecisions: false,
  hasMoved: false,
  busyIntervalMs: 0,
};
const FATES = { hasFates: true, hasDecisions: true, hasMoved: true };
const MARKS = { hasDecisions: true, hasMoved: true };
const FULL = { ...FATES, changedBytes: EPOCH_BYTES_MAX };
const ONCE = { isOnce: true };

/** A policy that has closed an epoch with fates in it at `fateAtMs` and one without at 0. */
function policyOf(rules: Partial<CheckpointRules> = {}, fateAtMs = 0): CheckpointPolicy {
  const policy = new CheckpointPolicy(
    { ...RULES, ...rules },
    { isSwitch: false, bytesSinceSnapshot: 0, snapshotBytes: 0 },
  );
  for (const [atMs, hadFates] of [
    [fateAtMs, true],
    [0, false],
  ] as const)
    policy.closed({ atMs, hadFates, sizeBytes: 0, isSnapshot: false });
  return policy;
}

describe('an epoch is due', () => {
  test.each<
    [what: string, moment: Partial<Moment>, isDue: boolean, rules?: Partial<CheckpointRules>, fateAtMs?: number]
  >([
    ['not while nothing has changed', { nowMs: 1e9 }, false],
    ['not before the interval', { ...FATES, nowMs: 999 }, false],
    ['at the interval, with fates', { ...FATES, nowMs: 1_000 }, true],
    ['at the interval, with other decisions', { ...MARKS, nowMs: 1_000 }, true],
    ['not before it, with other decisions', { ...MARKS, nowMs: 999 }, false],
    ['with fates after the interval since the last that had some', { ...FATES, nowMs: 400 }, true, {}, -600],
    ['with other decisions after the interval since any', { ...MARKS, nowMs: 400 }, false, {}, -600],
    ['not within the pause', { ...FATES, nowMs: 99 }, false, {}, -5_000],
    ['after the pause', { ...FATES, nowMs: 100 }, true, {}, -5_000],
    ['not for positions before their own interval', { hasMoved: true, nowMs: 29_999 }, false],
    ['for positions at their own interval', { hasMoved: true, nowMs: 30_000 }, true],
    ['before the interval when it is full', { ...FULL, nowMs: 100 }, true],
    ['not within the pause, though it is full', { ...FULL, nowMs: 99 }, false],
    ['not while one is in flight', { ...FATES, isInFlight: true, nowMs: 1e9 }, false],
    ['when it is full, though one is in flight', { ...FULL, isInFlight: true, nowMs: 100 }, true],
    ['at the outlet’s interval while messages keep coming', { ...FATES, busyIntervalMs: 5_000, nowMs: 4_999 }, false],
    ['at the outlet’s interval', { ...FATES, busyIntervalMs: 5_000, nowMs: 5_000 }, true],
    [
      'at the interval at the log’s end, whatever the outlet says',
      { ...FATES, busyIntervalMs: 5_000, nowMs: 1_000, isAtEnd: true },
      true,
    ],
    ['at the log’s end in a run that ends there', { ...FATES, nowMs: 100, isAtEnd: true }, true, ONCE],
    [
      'for positions at the log’s end in a run that ends there',
      { hasMoved: true, nowMs: 100, isAtEnd: true },
      true,
      ONCE,
    ],
    ['not at the log’s end in such a run when nothing is new', { nowMs: 1e9, isAtEnd: true }, false, ONCE],
    ['not early in such a run while messages keep coming', { ...FATES, nowMs: 999 }, false, ONCE],
  ])('%s', (...[, moment, isDue, rules, fateAtMs]) => {
    expect(policyOf(rules, fateAtMs).isDue({ ...IDLE, ...moment })).toBe(isDue);
  });

  test('at once where none was closed yet and a line has its fate', () => {
    const policy = new CheckpointPolicy(RULES, { isSwitch: false, bytesSinceSnapshot: 0, snapshotBytes: 0 });
    expect([policy.isDue({ ...IDLE, ...FATES }), policy.isDue(IDLE)]).toEqual([true, false]);
  });

  test('at once where the pipeline is not in the log yet, and never for that again', () => {
    const policy = new CheckpointPolicy(RULES, { isSwitch: true, bytesSinceSnapshot: 0, snapshotBytes: 0 });
    expect([policy.isSwitch, policy.isSnapshot, policy.isDue(IDLE)]).toEqual([true, true, true]);
    policy.closed({ atMs: 0, sizeBytes: 10, isSnapshot: true, hadFates: false });
    expect([policy.isSwitch, policy.isSnapshot, policy.isDue(IDLE)]).toEqual([false, false, false]);
  });
});

describe('an epoch is a snapshot', () => {
  test.each<[what: string, before: Partial<EpochsBefore>, isSnapshot: boolean]>([
    ['not before the bytes are full', { bytesSinceSnapshot: 999 }, false],
    ['when the bytes are full', { bytesSinceSnapshot: 1_000 }, true],
    ['not before four times the last snapshot', { bytesSinceSnapshot: 3_999, snapshotBytes: 1_000 }, false],
    ['at four times the last snapshot', { bytesSinceSnapshot: 4_000, snapshotBytes: 1_000 }, true],
    ['where the pipeline is new', { isSwitch: true }, true],
  ])('%s', (_, before, isSnapshot) => {
    const policy = new CheckpointPolicy(RULES, { isSwitch: false, bytesSinceSnapshot: 0, snapshotBytes: 0, ...before });
    expect(policy.isSnapshot).toBe(isSnapshot);
  });

  test('when the epochs since the last one have come to so much', () => {
    const policy = policyOf();
    const sizes = [600, 300, 100, 700, 2_000, 100];
    const kinds = sizes.map((sizeBytes) => {
      const { isSnapshot } = policy;
      policy.closed({ atMs: 0, sizeBytes, isSnapshot, hadFates: true });
      return isSnapshot;
    });
    // 1000 bytes in three, then a snapshot of 700: 2800 bytes more are needed.
    expect([...kinds, policy.isSnapshot]).toEqual([false, false, false, true, false, false, false]);
    policy.closed({ atMs: 0, sizeBytes: 700, isSnapshot: false, hadFates: true });
    expect(policy.isSnapshot).toBe(true);
  });
});
