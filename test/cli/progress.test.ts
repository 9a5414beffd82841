import { expect, test } from '@jest/globals';
import { Progress, describeProgress } from '../../src/cli/progress.ts';
import { ManualClock } from '../support/manual-clock.ts';

const state = (linesSent: number, linesDecided: number): Parameters<Progress['update']>[0] => ({
  linesSent,
  linesDecided,
  isDecided: false,
});

test('rate, share of the files, lag and time to go are told from lines and bytes', () => {
  const files = { bytesSent: 500, bytesKnown: 2000, lines: 0 };
  // 1,000 lines are a quarter of the bytes, so there are 4,000; 3,200 are to go.
  expect(describeProgress(state(1000, 800), files, 400)).toBe(
    '800 lines, 400 lines/s, 20 % of the files, lag 200 lines, 8 s to go',
  );
  expect(describeProgress(state(1000, 800), undefined, 400)).toBe('800 lines, 400 lines/s, lag 200 lines');
  expect(describeProgress(state(0, 0), { bytesSent: 0, bytesKnown: 0, lines: 0 }, 0)).toBe(
    '0 lines, 0 lines/s, lag 0 lines',
  );
});

function progressOn(isTTY: boolean): { progress: Progress; clock: ManualClock; written: string[] } {
  const clock = new ManualClock();
  const written: string[] = [];
  const progress = new Progress(clock, { isTTY, columns: 30, write: (text) => written.push(text) });
  return { progress, clock, written };
}

test('a terminal sees one line, drawn again at most four times a second, and cut to its width', async () => {
  const { progress, clock, written } = progressOn(true);
  for (let i = 0; i <= 100; i++) {
    progress.update(state(100 * i, 100 * i), undefined);
    await clock.advance(10);
  }
  expect(written.length).toBeGreaterThan(2);
  expect(written.length).toBeLessThanOrEqual(5);
  const erase = '\r\u001b[2K';
  for (const text of written) {
    expect(text.startsWith(erase)).toBe(true);
    expect(text.slice(erase.length)).toMatch(/^[^\n]{1,29}$/);
  }
  progress.clear();
  expect(written.at(-1)).toBe('\r\u001b[2K');
});

test('elsewhere there is a plain line every five seconds', async () => {
  const { progress, clock, written } = progressOn(false);
  for (let i = 0; i <= 120; i++) {
    progress.update(state(1000 * i, 1000 * i), undefined);
    await clock.advance(100);
  }
  expect(written).toEqual([
    '50,000 lines, 10,000 lines/s, lag 0 lines\n',
    '100,000 lines, 10,000 lines/s, lag 0 lines\n',
  ]);
  progress.clear();
  expect(written).toHaveLength(2);
});

test('when nothing moves it says what is waited for', async () => {
  const { progress, clock, written } = progressOn(false);
  for (let i = 0; i <= 120; i++) {
    progress.update(state(Math.min(i, 60), Math.min(i, 60)), undefined, 'sink warehouse, e/0 at 3 of 5');
    await clock.advance(100);
  }
  expect(written).toEqual(['50 lines, 10 lines/s, lag 0 lines\n', '60 lines, 2 lines/s, lag 0 lines\n']);
  await clock.advance(5000);
  progress.update(state(60, 60), undefined, 'sink warehouse, e/0 at 3 of 5');
  expect(written.at(-1)).toBe('60 lines, 0 lines/s, lag 0 lines; waiting for sink warehouse, e/0 at 3 of 5\n');
});
