import { expect, test } from '@jest/globals';
import { onceAborted } from '../../src/lib/abort.ts';

test('resolves when the signal aborts, and not before', async () => {
  const stop = new AbortController();
  let isOver = false;
  const over = onceAborted(stop.signal).then(() => (isOver = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(isOver).toBe(false);
  stop.abort();
  await over;
});

test('resolves at once where it has aborted', () => onceAborted(AbortSignal.abort()));
