import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type AdmitRequest, Admission, NO_LEAP } from '../../src/engine/admission.ts';
import {
  Batch,
  LINE_VERDICTS,
  VERDICT_FUTURE,
  VERDICT_MALFORMED,
  VERDICT_GOES_ON,
  VERDICT_NO_EVENT_TIME,
} from '../../src/record/batch.ts';
import { addLine, emptySum } from '../../src/record/line-id.ts';
import { lineHashSeeds } from '../../src/record/source.ts';

const REQUEST: AdmitRequest = {
  path: '',
  source: 'a/1',
  seeds: lineHashSeeds('a/1'),
  readAtMs: 10_000,
  maxFutureMs: 5_000,
  outOfOrdernessMs: 0,
  watermarkMs: -Infinity,
  eventTimeMsMax: -Infinity,
  leastOfOthersMs: Infinity,
  leap: NO_LEAP,
  isReadTime: false,
};

const READER = { verdicts: LINE_VERDICTS, explain: undefined, transform: () => undefined, lostValues: new Map() };

/** Lines with these event times; NaN is none, null a malformed line. */
function admit(timesMs: readonly (number | null)[], request: Partial<AdmitRequest> = {}): Admission {
  const batch = new Batch([], 1);
  batch.reset(new Uint8Array(0), timesMs.length);
  for (const [i, timeMs] of timesMs.entries()) {
    batch.eventTimeMs[i] = timeMs ?? Number.NaN;
    batch.verdict[i] = timeMs === null ? VERDICT_MALFORMED : VERDICT_GOES_ON;
    batch.lineOffset[i] = i * 2 ** 33;
  }
  batch.length = timesMs.length;
  const admission = new Admission({ ...READER, batch });
  admission.admit({ ...REQUEST, ...request });
  return admission;
}

const before = (admission: Admission): number[] => [...admission.watermarkBeforeMs.subarray(0, admission.batch.length)];

describe('the watermark just before a line', () => {
  test('is the running maximum of the lines before it', () => {
    const admission = admit([5, 3, 9, 9, 7]);
    expect(before(admission)).toEqual([-Infinity, 4, 4, 8, 8]);
    expect([admission.watermarkMs, admission.eventTimeMsMax]).toEqual([8, 9]);
  });

  test('is held by the other sources, and by what went before', () => {
    expect(before(admit([5, 9, 20], { leastOfOthersMs: 7, watermarkMs: 1 }))).toEqual([1, 4, 6]);
    expect(before(admit([5, 9], { eventTimeMsMax: 8, watermarkMs: 2 }))).toEqual([2, 2]);
    expect(admit([5], { leastOfOthersMs: -Infinity }).watermarkMs).toBe(-Infinity);
    expect(admit([50], { outOfOrdernessMs: 10 }).watermarkMs).toBe(39);
  });

  test('is not moved by bad lines, nor by one that claims to come from the future', () => {
    const admission = admit([null, 15_001, Number.NaN, Infinity, 15_000]);
    expect([...admission.batch.verdict.subarray(0, 5)]).toEqual([
      VERDICT_MALFORMED,
      VERDICT_FUTURE,
      VERDICT_NO_EVENT_TIME,
      VERDICT_FUTURE,
      VERDICT_GOES_ON,
    ]);
    expect(before(admission)).toEqual([-Infinity, -Infinity, -Infinity, -Infinity, -Infinity]);
    expect([admission.watermarkMs, admission.eventTimeMsMax]).toEqual([9_999, 10_000]);
  });

  test('is the same however the lines are cut into batches', () => {
    const times = fc.array(fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.constantFrom(null, Number.NaN)), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(times, fc.nat({ max: 40 }), fc.integer({ min: -5, max: 20_000 }), (timesMs, cut, leastOfOthersMs) => {
        const whole = admit(timesMs, { leastOfOthersMs });
        const first = admit(timesMs.slice(0, cut), { leastOfOthersMs });
        const { watermarkMs, eventTimeMsMax, leap } = first;
        const second = admit(timesMs.slice(cut), { leastOfOthersMs, watermarkMs, eventTimeMsMax, leap });
        expect([...before(first), ...before(second)]).toEqual(before(whole));
        expect([second.watermarkMs, second.eventTimeMsMax]).toEqual([whole.watermarkMs, whole.eventTimeMsMax]);
      }),
      { seed: 10, numRuns: 300 },
    );
  });
});

describe('a leap', () => {
  const HOUR = 3_600_000;
  const OLD = { readAtMs: 1_000 * HOUR };
  const later = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

  test('of one line, or of seven, moves nothing; the eighth in a row confirms it', () => {
    expect(before(admit([0, HOUR, 1, 2], OLD)).slice(2)).toEqual([-1, 0]);
    const seven = admit([0, ...later(HOUR, 7), 5], OLD);
    expect([seven.watermarkMs, seven.leap]).toEqual([4, NO_LEAP]);
    const eight = admit([0, ...later(HOUR, 8), 5], OLD);
    expect([eight.watermarkMs, eight.eventTimeMsMax, before(eight).at(-1)]).toEqual([HOUR + 6, HOUR + 7, HOUR + 6]);
  });

  test('is none within a minute, or within the bound where that is larger; nor is the first line of all, nor the time of reading', () => {
    expect(admit([0, 60_000], OLD).eventTimeMsMax).toBe(60_000);
    expect(admit([0, 60_001], OLD).eventTimeMsMax).toBe(0);
    expect(admit([0, HOUR], { ...OLD, outOfOrdernessMs: HOUR }).eventTimeMsMax).toBe(HOUR);
    expect(admit([HOUR], OLD).eventTimeMsMax).toBe(HOUR);
    expect(admit([0], { isReadTime: true, readAtMs: 5 * HOUR, eventTimeMsMax: 0 }).eventTimeMsMax).toBe(5 * HOUR);
    // What the partition has passed is no leap for a source that begins there.
    expect(admit([HOUR], { ...OLD, watermarkMs: HOUR - 1 }).eventTimeMsMax).toBe(HOUR);
  });

  test('that is confirmed has judged its lines as if it had been believed at once: a log with pauses has the same late lines', () => {
    const hour = fc.array(fc.integer({ min: 0, max: 59_000 }), { minLength: 8, maxLength: 20 });
    fc.assert(
      fc.property(
        fc.array(hour, { minLength: 1, maxLength: 4 }),
        fc.nat({ max: 60_000 }),
        (hours, outOfOrdernessMs) => {
          const timesMs = hours.flatMap((some, i) => some.map((ms) => i * HOUR + ms));
          let maxMs = -Infinity;
          const plain = timesMs.map((timeMs) => {
            const judgedBy = maxMs - outOfOrdernessMs - 1;
            maxMs = Math.max(maxMs, timeMs);
            return judgedBy;
          });
          // The first of an hour is judged by what was there before it; it is late by neither.
          const isFirst = timesMs.map((timeMs, i) => i > 0 && timeMs - timesMs[i - 1]! > HOUR / 2);
          const judged = before(admit(timesMs, { ...OLD, outOfOrdernessMs }));
          expect(judged.filter((_, i) => !isFirst[i])).toEqual(plain.filter((_, i) => !isFirst[i]));
        },
      ),
      { seed: 17, numRuns: 300 },
    );
  });

  test('of single lines, however many of them, makes none of the others late', () => {
    const line = fc.record({
      stepMs: fc.nat({ max: 2_000 }),
      lagMs: fc.nat({ max: 10_000 }),
      isAhead: fc.nat({ max: 9 }),
    });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 200 }), (lines) => {
        let nowMs = 0;
        let inARow = 0;
        const timesMs = [0];
        const isGood = [true];
        for (const { stepMs, lagMs, isAhead } of lines) {
          nowMs += stepMs;
          inARow = isAhead === 0 && inARow < 7 ? inARow + 1 : 0;
          timesMs.push(inARow > 0 ? nowMs + 50 * 60_000 : nowMs - lagMs);
          isGood.push(inARow === 0);
        }
        const judged = before(admit(timesMs, { ...OLD, outOfOrdernessMs: 10_000 }));
        for (const [i, timeMs] of timesMs.entries()) if (isGood[i]!) expect(judged[i]).toBeLessThan(timeMs);
      }),
      { seed: 18, numRuns: 300 },
    );
  });
});

test('with processing time every line has the time of its reading', () => {
  const admission = admit([Number.NaN, 3, null], { isReadTime: true });
  expect([...admission.batch.eventTimeMs.subarray(0, 3)]).toEqual([10_000, 10_000, 10_000]);
  expect([admission.watermarkMs, admission.sums.lines[VERDICT_GOES_ON]]).toEqual([9_999, 2]);
});

test('a detail says what was wrong with a line, of so many lines of a batch and no more', () => {
  const batch = new Batch([], 1);
  const explain = (line: Uint8Array) => ({ field: 'a', column: line.length, problem: 'is missing' });
  const admission = new Admission({ ...READER, explain, batch });
  for (let block = 0; block < 2; block++) {
    batch.reset(Buffer.from('line'), 1_100);
    batch.lineEnd.fill(4);
    batch.eventTimeMs.fill(0).fill(20_000, 1, 2);
    batch.verdict.fill(VERDICT_MALFORMED).fill(VERDICT_GOES_ON, 1, 2);
    batch.length = 1_100;
    admission.admit(REQUEST);
    const details = Array.from({ length: 1_100 }, (_, line) => admission.detailOf(line));
    expect(details.slice(0, 3)).toEqual([
      'a: column 4: is missing',
      '1970-01-01T00:00:20.000Z is 10 s ahead of the moment it was read',
      'a: column 4: is missing',
    ]);
    expect(details.filter((detail) => detail !== '')).toHaveLength(1_000);
  }
});

test('lines are counted and hashed by what became of them, in batches larger than any before', () => {
  const timesMs = Array.from({ length: 20_000 }, (_, i) => (i % 5 === 0 ? null : i % 7 === 0 ? 99_999 : i / 10));
  const { sums, hashA, hashB, batch } = admit(timesMs);
  const expected = [emptySum(), emptySum(), emptySum(), emptySum()];
  timesMs.forEach((timeMs, i) =>
    addLine(
      expected[timeMs === null ? VERDICT_MALFORMED : timeMs > 15_000 ? VERDICT_FUTURE : 0]!,
      'a/1',
      batch.lineOffset[i]!,
    ),
  );
  for (const [reason, sum] of expected.entries()) {
    expect({ lines: sums.lines[reason], a: sums.a[reason]! >>> 0, b: sums.b[reason]! >>> 0 }).toEqual(sum);
  }
  const last = emptySum();
  addLine(last, 'a/1', batch.lineOffset[19_999]!);
  expect([hashA[19_999], hashB[19_999]]).toEqual([last.a, last.b]);
});
