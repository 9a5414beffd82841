import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { unifiedDiff } from '../../src/lib/unified-diff.ts';

const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

/** Applies a diff as `patch` does, and minds every number of it. */
function applied(before: readonly string[], diff: string): string[] {
  const out: string[] = [];
  let at = 0;
  const lines = diff === '' ? [] : diff.split('\n');
  for (let i = 0; i < lines.length;) {
    const [, oldStart, oldCount, newStart, newCount] = /^@@ -(\d+),(\d+) \+(\d+),(\d+) @@$/
      .exec(lines[i++]!)!
      .map(Number);
    const begin = oldCount === 0 ? oldStart! : oldStart! - 1;
    while (at < begin) out.push(before[at++]!);
    expect(out.length).toBe(newCount === 0 ? newStart : newStart! - 1);
    const ends = { old: at + oldCount!, new: out.length + newCount! };
    while (at < ends.old || out.length < ends.new) {
      const line = lines[i++]!;
      if (line[0] !== '+') expect(before[at++]).toBe(line.slice(1));
      if (line[0] !== '-') out.push(line.slice(1));
    }
  }
  return [...out, ...before.slice(at)];
}

describe('a unified diff', () => {
  test('shows what changed, with three lines around it', () => {
    const before = ['1', '2', '3', '4', '5', '6', '7', '8', '9'];
    const after = ['1', '2', '3', '4', 'five', '6', '7', '8', '9', '10'];
    expect(unifiedDiff(text(before), text(after))).toBe(
      ['@@ -2,8 +2,9 @@', ' 2', ' 3', ' 4', '-5', '+five', ' 6', ' 7', ' 8', ' 9', '+10'].join('\n'),
    );
  });

  test('of the same is nothing, of nothing is everything', () => {
    expect(unifiedDiff('a\nb\n', 'a\nb\n')).toBe('');
    expect(unifiedDiff('', 'a\n')).toBe('@@ -0,0 +1,1 @@\n+a');
    expect(unifiedDiff('a\n', '')).toBe('@@ -1,1 +0,0 @@\n-a');
  });

  test('makes of the one text the other', () => {
    const lines = fc.array(fc.constantFrom('a', 'b', 'c', '', '-', '+', '@@'), { maxLength: 30 });
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        expect(applied(before, unifiedDiff(text(before), text(after)))).toEqual(after);
      }),
      { seed: 51, numRuns: 300 },
    );
  });
});
