import { describe, expect, test } from '@jest/globals';
import { seededRandom } from '../../src/lib/random.ts';
import {
  RESTART_DEFAULTS,
  type RestartAnswer,
  type RestartOptions,
  restartStrategy,
} from '../../src/supervisor/restart-strategy.ts';

type Exponential = Extract<RestartOptions, { strategy: 'exponential_delay' }>;
const EXPONENTIAL = { ...RESTART_DEFAULTS, jitter: 0, attemptsMax: 1_000 } as Exponential;

/** What a strategy answers to failures at these moments, none after work. */
function answers(options: RestartOptions, timesMs: readonly number[]): (number | string)[] {
  const strategy = restartStrategy(options, seededRandom(7));
  return timesMs.map((nowMs) => shown(strategy.failed(nowMs, false)));
}

function shown(answer: RestartAnswer): number | string {
  return 'giveUp' in answer ? 'no' : answer.pauseMs;
}

describe('exponential_delay', () => {
  test('has the pauses of Flink behind the first', () => {
    const times = Array.from({ length: 14 }, (_, i) => i);
    const pauses = [100, 1000, 1500, 2250, 3375, 5063, 7594, 11_391, 17_086, 25_629, 38_443, 57_665, 60_000, 60_000];
    expect(answers(EXPONENTIAL, times)).toEqual(pauses);
  });

  test('begins again when nothing failed for the reset time and the last pause, and not a millisecond before', () => {
    const resetMs = 10_000;
    expect(answers({ ...EXPONENTIAL, resetMs }, [0, 0, 0, 12_249])).toEqual([100, 1000, 1500, 2250]);
    expect(answers({ ...EXPONENTIAL, resetMs }, [0, 0, 0, 12_250])).toEqual([100, 1000, 1500, 100]);
  });

  test('scatters pauses by its jitter on both sides, and never beyond the longest', () => {
    const times = Array.from({ length: 400 }, () => 0);
    const pauses = answers({ ...EXPONENTIAL, jitter: 0.1, maxMs: 1000 }, times).slice(1) as number[];
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(900);
    expect(Math.min(...pauses)).toBeLessThan(910);
    expect(Math.max(...pauses)).toBe(1000);
  });

  test('ends at one failure more in a row than it may have, and counts none before work', () => {
    const strategy = restartStrategy({ ...EXPONENTIAL, attemptsMax: 2 }, seededRandom(7));
    const worked = [false, false, true, false, false].map((hadWorked) => shown(strategy.failed(0, hadWorked)));
    expect(worked).toEqual([100, 1000, 100, 1000, 'no']);
  });
});

test('fixed_delay restarts so often in all', () => {
  expect(answers({ strategy: 'fixed_delay', delayMs: 5, attemptsMax: 2 }, [0, 1e6, 1e9])).toEqual([5, 5, 'no']);
});

test('failure_rate refuses only where the last failures, one more than it allows, all lie within its time', () => {
  const options: RestartOptions = { strategy: 'failure_rate', delayMs: 5, failuresMax: 2, windowMs: 1000 };
  expect(answers(options, [0, 1, 1001, 1001])).toEqual([5, 5, 5, 'no']);
  expect(answers(options, [0, 1, 1000])).toEqual([5, 5, 'no']);
});

test('none never restarts', () => {
  expect(answers({ strategy: 'none' }, [0])).toEqual(['no']);
});
