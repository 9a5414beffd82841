import { expect, test } from '@jest/globals';
import { DEAD_LETTER_BYTES_MAX, keptOfLine, shownLine } from '../../src/epoch/dead-letter.ts';

test('a line is kept whole up to the limit, and shown as it is', () => {
  const line = Buffer.alloc(DEAD_LETTER_BYTES_MAX, 'x');
  const kept = keptOfLine(line);
  expect(Buffer.from(kept).equals(line)).toBe(true);
  expect(kept.buffer).not.toBe(line.buffer);
  expect(shownLine(kept, line.length)).toBe(line.toString());
});

test('of a longer line the begin and the end are kept, and shown with a mark of what is left out', () => {
  const line = Buffer.from(`begin${'x'.repeat(10_000)}end\x07`);
  const kept = keptOfLine(line);
  expect(kept.length).toBe(DEAD_LETTER_BYTES_MAX);
  const shown = shownLine(kept, line.length);
  expect(shown).toMatch(/^beginx+\[… 5913 bytes …\]x+end\\/);
});
