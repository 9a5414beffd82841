import { expect, it } from '@jest/globals';
import { changed, problemsOfSql } from '../support/broken-config.ts';

const TOO_MANY = 'more than 16 measures are made of one another';

async function problemsOf(count: number, isReverse: boolean): Promise<string[]> {
  const chain = Array.from({ length: count }, (_, i) => `d${i}: ${i === 0 ? 'requests' : `d${i - 1}`} + 1`);
  const texts = isReverse ? chain.toReversed() : chain;
  return problemsOfSql(changed('requests: count', ['requests: count', ...texts].join(', ')));
}

it.each([false, true])(
  'measures made of one another have 16 levels at most (in reverse: %s)',
  async (isReverse) => {
    expect(await problemsOf(16, isReverse)).toEqual([]);
    const [first] = await problemsOf(17, isReverse);
    expect(first).toContain(TOO_MANY);
    expect((await problemsOf(190, isReverse))[0]).toContain(TOO_MANY);
    expect(await problemsOf(201, isReverse)).toEqual([expect.stringContaining('takes at most 200 measures')]);
  },
  60_000,
);
