import { expect, it } from '@jest/globals';
import { interpreter } from '../../../src/expressions/interpret.ts';
import { TEXT_UNITS_MAX } from '../../../src/expressions/forms/text-parts.ts';
import { treesOf } from '../../support/expressions/oracle.ts';

it.each([
  'word || word',
  'concat(word, word)',
  "concat_ws('', word, word)",
  "replace(word, 'x', 'xx')",
  'repeat(word, 2)',
  String.raw`regexp_replace(word, '.*', '\0\0')`,
])(
  '%s makes no text longer than is allowed, and says that it was lost',
  async (text) => {
    const [tree] = await treesOf([text]);
    let lost = 0;
    const valueOf = interpreter(tree!, {
      lost: () => {
        lost++;
        return null;
      },
    });
    const half = 'x'.repeat(TEXT_UNITS_MAX / 2);
    expect([String(valueOf(() => half)).length, lost]).toEqual([TEXT_UNITS_MAX, 0]);
    expect([valueOf(() => `${half}x`), lost]).toEqual([null, 1]);
  },
  60_000,
);
