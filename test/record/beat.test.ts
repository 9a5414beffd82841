import { expect, test } from '@jest/globals';
import { type Beat, decodeBeat, encodeBeat, isLastPart } from '../../src/record/beat.ts';
import { expectNoPrefixReads, refusedFlips } from '../support/damage.ts';
import { BEAT_V1, formatFixture } from '../support/format-samples.ts';

const SMALL: Beat = { agent: 'a', log: 'l', tMs: 1.5, isFull: false, hasEnded: true, sources: [] };

test('a beat comes back as it was written', () => {
  for (const beat of [BEAT_V1, SMALL]) expect(decodeBeat(encodeBeat(beat))).toEqual(beat);
});

test('a beat of the first version is read for ever', () => {
  expect(decodeBeat(formatFixture('beat-v1.bin'))).toEqual(BEAT_V1);
});

test('a beat of a newer version is one clear error', () => {
  const newer = Uint8Array.from(encodeBeat(BEAT_V1));
  newer[1] = 2;
  expect(() => decodeBeat(newer)).toThrow(expect.objectContaining({ code: 'FORMAT_NEWER' }));
});

test('a beat that is cut short or has a bit turned is refused, or has fields of the right kinds', () => {
  const bytes = encodeBeat(BEAT_V1);
  expectNoPrefixReads(decodeBeat, bytes);
  const isWhole = (beat: Beat): boolean =>
    typeof beat.agent === 'string' &&
    Number.isFinite(beat.tMs) &&
    beat.sources.every((report) => Number.isSafeInteger(report.number) && Number.isSafeInteger(report.position));
  expect(refusedFlips(decodeBeat, bytes, isWhole)).toBeGreaterThan(500);
});

test.each([[null], [7], [{ number: 1 }], [{ ...BEAT_V1.sources[0], position: -1 }]])(
  'a beat with the report %j is damaged',
  (report) => {
    const beat = { ...SMALL, sources: [report] } as unknown as Beat;
    expect(() => decodeBeat(encodeBeat(beat))).toThrow(RangeError);
  },
);

test('the last part of a beat ends it', () => {
  expect([SMALL, { ...SMALL, part: 0, parts: 2 }, BEAT_V1].map(isLastPart)).toEqual([true, false, true]);
});
