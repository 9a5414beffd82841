import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addLines, countLines, frameLines, zeroBytes } from '../../src/agent/line-framing.ts';
import { addLine, emptySum } from '../../src/record/line-id.ts';
import { lineHashSeeds } from '../../src/record/source.ts';
import { plainLines } from '../support/plain-lines.ts';

const SOURCE = '6f1c0000-0000-4000-8000-000000000000/12';
const SEEDS = lineHashSeeds(SOURCE);

const words = fc.constantFrom('', 'a', '\r', 'bcd', 'é', 'x'.repeat(9), 'y'.repeat(10), '\0', '\0\0\0', 'z\0', '\0z');
const texts = fc.array(words, { maxLength: 20 });
const starts = fc.constantFrom(0, 7, 0xffff_fff0, 0x1_0000_0000, 2 ** 40 + 3);

test('counts and sums lines, or frames them, as one line at a time would', () => {
  fc.assert(
    fc.property(texts, starts, fc.boolean(), (parts, start, isTerminated) => {
      const bytes = Buffer.from(parts.join('\n') + (isTerminated ? '\n' : ''));
      const lines = plainLines(bytes);
      const expected = emptySum();
      for (const { offset } of lines) addLine(expected, SOURCE, start + offset);
      const isPlain = !bytes.includes(0) && lines.every(({ text }) => text.length <= 8);
      const run = { start, seeds: SEEDS, lineBytesMax: 8 };
      const sum = emptySum();
      expect(countLines(bytes, run, sum)).toBe(isPlain);
      expect(sum).toEqual(isPlain ? expected : emptySum());

      const copy = Buffer.from(bytes);
      const framedSum = emptySum();
      const { offsets, cut, length } = frameLines(copy, run, framedSum);
      expect(framedSum).toEqual(expected);
      expect(offsets).toEqual(lines.map(({ offset }) => start + offset));
      expect(cut).toEqual(lines.flatMap(({ text }, index) => (text.length > 8 ? [index] : [])));
      const kept = lines.map(({ text, isTerminated: isWhole }) => text.slice(0, 8) + (isWhole ? '\n' : ''));
      expect(copy.toString('latin1', 0, length)).toBe(kept.join(''));
    }),
    { seed: 7, numRuns: 1000 },
  );
});

test('lines are the same however the bytes are cut', () => {
  fc.assert(
    fc.property(texts, fc.nat(60), (parts, at) => {
      const bytes = Buffer.from(parts.join('\n'));
      const expected = emptySum();
      for (const { offset } of plainLines(bytes)) addLine(expected, SOURCE, offset);
      const cut = Math.min(at, bytes.length);
      const sum = emptySum();
      addLines(bytes.subarray(0, cut), { start: 0, before: 10, seeds: SEEDS }, sum);
      addLines(bytes.subarray(cut), { start: cut, before: cut === 0 ? 10 : bytes[cut - 1]!, seeds: SEEDS }, sum);
      expect(sum).toEqual(expected);
      expect(zeroBytes(bytes)).toBe(bytes.filter((byte) => byte === 0).length);
    }),
    { seed: 8, numRuns: 1000 },
  );
});
