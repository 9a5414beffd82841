import { expect, test } from '@jest/globals';
import { tablesOfFewLines } from '../../src/query/unused-lines.ts';

const ROWS = [
  ['few', 'access', 'in', null, 100],
  ['few', 'access', 'dead_letter', 'malformed', 8],
  ['few', 'access', 'late', null, 2],
  ['many', 'access', 'in', null, 100],
  ['many', 'access', 'dead_letter', 'malformed', 8],
  ['many', 'access', 'late', null, 3],
  ['other', 'app', 'in', null, 10],
  ['other', 'app', 'dead_letter', 'no_event_time', 10],
];

test('more than a tenth is said, with each reason; a tenth is not', async () => {
  const found = await tablesOfFewLines(() => Promise.resolve(ROWS), ['few', 'many', 'empty']);
  expect(found).toEqual([
    {
      table: 'many',
      stream: 'access',
      lines: 100,
      unused: 11,
      reasons: [
        { reason: 'malformed', lines: 8 },
        { reason: 'late', lines: 3 },
      ],
    },
  ]);
});
