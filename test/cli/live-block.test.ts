import { expect, test } from '@jest/globals';
import { LiveBlock } from '../../src/cli/live-block.ts';

/** What a terminal shows after all that was written: the sequences that are used, and no others. */
function screenOf(writes: readonly string[]): string[] {
  const lines = [''];
  const text = writes.join('');
  for (let i = 0; i < text.length; i++) {
    // oxlint-disable-next-line no-control-regex
    const up = /^\u001b\[(\d+)A\r\u001b\[J/.exec(text.slice(i, i + 16));
    if (up !== null) {
      lines.length -= Number(up[1]);
      lines[lines.length - 1] = '';
      i += up[0].length - 1;
    } else if (text[i] === '\n') lines.push('');
    else lines.push(`${lines.pop() ?? ''}${text[i] ?? ''}`);
  }
  return lines;
}

function blockOn(isTTY: boolean): { block: LiveBlock; writes: string[] } {
  const writes: string[] = [];
  return { block: new LiveBlock({ isTTY, columns: 40, write: (text) => writes.push(text) }), writes };
}

test('a block is drawn again in place, and notes scroll by above it', () => {
  const { block, writes } = blockOn(true);
  block.draw(['a 1', 'b 1']);
  block.draw(['a 2', 'b 2', 'c 2']);
  expect(screenOf(writes)).toEqual(['a 2', 'b 2', 'c 2', '']);
  block.note('something happened');
  expect(screenOf(writes)).toEqual(['something happened', 'a 2', 'b 2', 'c 2', '']);
  block.draw(['a 3']);
  expect(screenOf(writes)).toEqual(['something happened', 'a 3', '']);
  block.clear();
  expect(screenOf(writes)).toEqual(['something happened', '']);
});

test('a block that is kept stays, and what follows is below it', () => {
  const { block, writes } = blockOn(true);
  block.draw(['a']);
  block.keep();
  block.note('n');
  block.clear();
  expect(screenOf(writes)).toEqual(['a', 'n', '']);
});

test('a line is cut to the width, so that it stays one line', () => {
  const { block, writes } = blockOn(true);
  block.draw(['x'.repeat(100)]);
  block.draw(['y']);
  expect(screenOf(writes)).toEqual(['y', '']);
});

test('elsewhere than on a terminal only notes are written', () => {
  const { block, writes } = blockOn(false);
  block.draw(['a']);
  block.note('n');
  block.clear();
  expect(writes.join('')).toBe('n\n');
});
