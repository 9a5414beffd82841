import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { countLines, cutLines } from '../../src/agent/line-framing.ts';
import { addLine, emptySum } from '../../src/record/line-id.ts';
import { lineHashSeeds } from '../../src/record/source.ts';

const SOURCE = '6f1c0000-0000-4000-8000-000000000000/12';
const SEEDS = lineHashSeeds(SOURCE);

/** Lines of a text, each with its newline where it has one. */
function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const newline = bytes.indexOf(10, at);
    const next = newline < 0 ? bytes.length : newline + 1;
    lines.push(bytes.subarray(at, next));
    at = next;
  }
  return lines;
}

const texts = fc.array(fc.constantFrom('', 'a', '\r', 'bcd', 'é', 'x'.repeat(9), 'y'.repeat(10)), { maxLength: 20 });
const starts = fc.constantFrom(0, 7, 0xffff_fff0, 0x1_0000_0000, 2 ** 40 + 3);

test('counts and sums lines, or cuts them, as one line at a time would', () => {
  fc.assert(
    fc.property(texts, starts, fc.boolean(), (words, start, isTerminated) => {
      const bytes = Buffer.from(words.join('\n') + (isTerminated ? '\n' : ''));
      const expected = emptySum();
      const offsets: number[] = [];
      const cut: number[] = [];
      const kept: Buffer[] = [];
      let offset = start;
      for (const [index, line] of linesOf(bytes).entries()) {
        addLine(expected, SOURCE, offset);
        offsets.push(offset);
        offset += line.length;
        const hasNewline = line.at(-1) === 10;
        const text = hasNewline ? line.subarray(0, -1) : line;
        if (text.length > 8) cut.push(index);
        kept.push(text.subarray(0, 8), Buffer.from(hasNewline ? '\n' : ''));
      }
      const run = { start, seeds: SEEDS, lineBytesMax: 8 };
      const sum = emptySum();
      expect(countLines(bytes, run, sum)).toBe(cut.length === 0);
      expect(sum).toEqual(cut.length === 0 ? expected : emptySum());

      const copy = Buffer.from(bytes);
      const cutSum = emptySum();
      const result = cutLines(copy, run, cutSum);
      expect(cutSum).toEqual(expected);
      expect({ offsets: result.offsets, cut: result.cut }).toEqual({ offsets, cut });
      expect(copy.subarray(0, result.length)).toEqual(Buffer.concat(kept));
    }),
    { seed: 7, numRuns: 300 },
  );
});
