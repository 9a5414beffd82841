import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  LAG_RULES,
  LAG_STATUSES,
  type LagRules,
  type LagSample,
  type LagStatus,
  LagWindow,
  evaluateLag,
  groupStatus,
} from '../../src/query/lag-status.ts';

const S = 1000;

/** A reader that reports at each sample, one a second: `offset:lag`. */
function reports(text: string, { everyMs = S, sinceMs = 0 } = {}): LagSample[] {
  return text.split(' ').map((entry, i) => {
    const [offset = 0, lag = 0] = entry.split(':').map(Number);
    const atMs = 100 * S + i * everyMs;
    return { atMs, offset, reportedAtMs: atMs, lag, unreadSinceMs: lag === 0 ? undefined : sinceMs };
  });
}

/** The last sample seen again later, with the same report. */
function later(samples: readonly LagSample[], ms: number, change: Partial<LagSample> = {}): LagSample[] {
  const last = samples.at(-1)!;
  return [...samples, { ...last, atMs: last.atMs + ms, ...change }];
}

const statusOf = (samples: readonly LagSample[]): LagStatus => evaluateLag(samples).status;

describe('the rules, in their order', () => {
  test('0: no lag now is OK, whatever was before', () => {
    expect(statusOf(reports('10:5 9:6 8:7 8:0'))).toBe('OK');
    expect(statusOf(later(reports('10:0'), 3600 * S))).toBe('OK');
    expect(statusOf([])).toBe('OK');
  });

  test('1: STOP: silent for longer than it reported, with something to read', () => {
    const seen = reports('1:5 2:4 3:3');
    expect(statusOf(later(seen, 60 * S))).toBe('OK');
    expect(statusOf(later(seen, 60 * S + 1))).toBe('STOP');
    const long = reports('1:5 2:4 3:3', { everyMs: 50 * S });
    expect(statusOf(later(long, 100 * S))).toBe('OK');
    expect(statusOf(later(long, 100 * S + 1))).toBe('STOP');
  });

  test('1: STOP of one who was never seen to report twice needs no window', () => {
    expect(statusOf(later(reports('0:5'), 61 * S))).toBe('STOP');
  });

  test('1: STOP comes before REWIND', () => {
    expect(statusOf(later(reports('9:1 3:7'), 61 * S))).toBe('STOP');
  });

  test('2: REWIND: fell behind itself and has not come back', () => {
    expect(statusOf(reports('5:3 6:3 2:9'))).toBe('REWIND');
    expect(statusOf(reports('5:3 6:3 2:9 4:9'))).toBe('REWIND');
    expect(statusOf(reports('5:3 6:3 2:9 4:9 6:9'))).not.toBe('REWIND');
    // A lag of zero before does not excuse it.
    expect(statusOf(reports('5:0 6:0 2:9'))).toBe('REWIND');
  });

  test('3: zero at any time in the window is OK', () => {
    expect(statusOf(reports('5:0 5:1 5:2 5:3'))).toBe('OK');
    // Between two reports, too.
    const samples = reports('5:1 6:2 7:3');
    expect(statusOf(samples)).toBe('WARN');
    expect(statusOf([...samples.slice(0, 2), { ...samples[1]!, lag: 0 }, samples[2]!])).toBe('OK');
  });

  test('4: STALL: reports, and does not move', () => {
    expect(statusOf(reports('5:1 5:1 5:1'))).toBe('STALL');
    expect(statusOf(reports('5:3 5:2 5:1'))).toBe('STALL');
    expect(statusOf(reports('4:3 5:2 5:2'))).not.toBe('STALL');
  });

  test('5: WARN: moves, and its lag has grown and never fell', () => {
    expect(statusOf(reports('5:1 6:1 7:2'))).toBe('WARN');
    // Always an epoch behind: it keeps up.
    expect(statusOf(reports('5:1 6:1 7:1'))).toBe('OK');
    expect(statusOf(reports('5:1 6:2 7:9'))).toBe('WARN');
    expect(statusOf(reports('5:1 6:2 7:9 8:8'))).toBe('OK');
  });

  test('the window holds the last ten reports', () => {
    expect(statusOf(reports('1:9 2:8 3:8 4:8 5:8 6:8 7:8 8:8 9:8 10:8'))).toBe('OK');
    expect(statusOf(reports('1:9 2:8 3:8 4:8 5:8 6:8 7:8 8:8 9:8 10:8 11:9'))).toBe('WARN');
    expect(evaluateLag(reports('1:9 2:8 3:8')).completeness).toBe(0.3);
    expect(evaluateLag(reports('1:9 2:8 3:8 4:8 5:8 6:8 7:8 8:8 9:8 10:8 11:8')).completeness).toBe(1);
  });

  test('with two reports nothing is said of stalling and growing', () => {
    expect(statusOf(reports('5:1 5:1'))).toBe('OK');
    expect(statusOf(reports('5:1 6:2'))).toBe('OK');
  });
});

describe('holes of Burrow that are closed', () => {
  test('lag of a stopped reader goes on growing, and is STOP (Burrow 127, 446)', () => {
    let samples = reports('1:1 2:1 3:1');
    for (let lag = 2; lag <= 70; lag++) samples = later(samples, S, { lag });
    expect(statusOf(samples)).toBe('STOP');
  });

  test('a reader that reports rarely, because there is little to read, has not stopped (Burrow 303)', () => {
    // Caught up an hour ago; a line came ten seconds ago.
    const idle = later(reports('7:0 8:0'), 3600 * S, { lag: 1, unreadSinceMs: 101 * S + 3590 * S });
    expect(statusOf(idle)).toBe('OK');
    expect(statusOf(later(idle, 51 * S))).toBe('STOP');
  });

  test('one report in a long while is no stall, however often it is looked at (Burrow 303)', () => {
    let samples = reports('5:3');
    for (let i = 0; i < 50; i++) samples = later(samples, S);
    expect(statusOf(samples)).toBe('OK');
  });
});

describe('against an oracle', () => {
  const rules: LagRules = { allowedLag: 1, stopMs: 5, windowReports: 4, windowReportsMin: 3 };
  const samplesArbitrary = fc
    .array(
      fc.record({
        stepMs: fc.nat(6),
        isNewReport: fc.boolean(),
        offset: fc.nat(2),
        lag: fc.nat(5),
        ageMs: fc.option(fc.nat(12), { nil: undefined }),
      }),
      { minLength: 1, maxLength: 14 },
    )
    .map((steps) => {
      const samples: LagSample[] = [];
      let atMs = 100;
      for (const { stepMs, isNewReport, offset, lag, ageMs } of steps) {
        atMs += stepMs;
        const last = samples.at(-1);
        const isNew = isNewReport || last === undefined;
        samples.push({
          atMs,
          offset: isNew ? offset : last.offset,
          reportedAtMs: isNew ? atMs : last.reportedAtMs,
          lag,
          unreadSinceMs: ageMs === undefined ? undefined : atMs - ageMs,
        });
      }
      return samples;
    });

  /** Burrow's text, read literally, over whole samples: no state, nothing forgotten until the end. */
  function oracle(samples: readonly LagSample[]): LagStatus {
    const now = samples[samples.length - 1]!;
    const groups: LagSample[][] = [];
    for (const sample of samples) {
      const last = groups[groups.length - 1];
      const isSame =
        last !== undefined && last[0]!.offset === sample.offset && last[0]!.reportedAtMs === sample.reportedAtMs;
      if (isSame) last.push(sample);
      else groups.push([sample]);
    }
    const window = groups.slice(-rules.windowReports);
    if (now.lag <= rules.allowedLag) return 'OK';
    const hadWorkAtMs = now.unreadSinceMs === undefined ? now.reportedAtMs : now.unreadSinceMs;
    const silentSinceMs = hadWorkAtMs > now.reportedAtMs ? hadWorkAtMs : now.reportedAtMs;
    const tookMs = now.reportedAtMs - window[0]![0]!.reportedAtMs;
    if (now.atMs - silentSinceMs > tookMs && now.atMs - silentSinceMs > rules.stopMs) return 'STOP';
    for (let i = 1; i < window.length; i++) {
      const before = window[i - 1]![0]!.offset;
      let isBack = false;
      for (let j = i; j < window.length; j++) if (window[j]![0]!.offset >= before) isBack = true;
      if (!isBack) return 'REWIND';
    }
    if (window.length < rules.windowReportsMin) return 'OK';
    if (window.flat().some(({ lag }) => lag <= rules.allowedLag)) return 'OK';
    if (new Set(window.map(([first]) => first!.offset)).size === 1) return 'STALL';
    for (let i = 1; i < window.length; i++) if (window[i]![0]!.lag < window[i - 1]![0]!.lag) return 'OK';
    // The one rule that is not Burrow's: a lag that stays the same is none that grows.
    return window[window.length - 1]![0]!.lag > window[0]![0]!.lag ? 'WARN' : 'OK';
  }

  test('every history has the status that the plain rules give it', () => {
    const seen = new Map<LagStatus, number>();
    fc.assert(
      fc.property(samplesArbitrary, (samples) => {
        const { status } = evaluateLag(samples, rules);
        seen.set(status, (seen.get(status) ?? 0) + 1);
        expect(status).toBe(oracle(samples));
      }),
      { numRuns: 6000, seed: 13 },
    );
    // ERR is a group's.
    for (const status of LAG_STATUSES.filter((one) => one !== 'ERR')) expect(seen.get(status)).toBeGreaterThan(10);
  });

  test('a window judges at every sample as the whole history does', () => {
    fc.assert(
      fc.property(samplesArbitrary, (samples) => {
        const window = new LagWindow(rules);
        samples.forEach((sample, i) => {
          window.add(sample);
          expect(window.verdict()).toEqual(evaluateLag(samples.slice(0, i + 1), rules));
        });
      }),
      { numRuns: 500, seed: 13 },
    );
  });

  test('looking more often changes nothing', () => {
    fc.assert(
      fc.property(samplesArbitrary, (samples) => {
        const twice = samples.flatMap((sample) => [sample, sample]);
        expect(evaluateLag(twice, rules)).toEqual(evaluateLag(samples, rules));
      }),
      { numRuns: 500, seed: 13 },
    );
  });
});

test('a group is as bad as its worst partition, and what is worse than WARN is ERR', () => {
  expect(groupStatus([])).toBe('OK');
  expect(groupStatus(['OK', 'WARN', 'OK'])).toBe('WARN');
  for (const status of ['ERR', 'STOP', 'STALL', 'REWIND'] as const) expect(groupStatus(['WARN', status])).toBe('ERR');
});

test('the rules that are in use', () => {
  expect(LAG_RULES).toEqual({ allowedLag: 0, stopMs: 60_000, windowReports: 10, windowReportsMin: 3 });
});
