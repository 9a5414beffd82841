import { expect, test } from '@jest/globals';
import { LINE_SEARCH_FIELDS } from '../../src/query/search-fields.ts';
import { nothingFound } from '../../src/query/search-nothing.ts';
import { parseSearch } from '../../src/query/search-syntax.ts';

const NOW = Date.UTC(2026, 10, 26, 21, 15);
const HOUR = 3_600_000;

const said = (
  query: string,
  more: { since?: string; until?: string; sinceMs?: number; untilMs?: number } = {},
): string[] =>
  nothingFound(parseSearch(query), LINE_SEARCH_FIELDS, {
    since: '1h',
    until: 'now',
    sinceMs: NOW - HOUR,
    untilMs: NOW,
    nowMs: NOW,
    ...more,
  });

test('the time that was looked at is named', () => {
  expect(said('x')).toEqual(['no line matches since 20:15 UTC (1h)']);
  expect(said('')).toEqual(['no line since 20:15 UTC (1h)']);
  const written = {
    since: '2026-11-25T07:00',
    sinceMs: Date.UTC(2026, 10, 25, 7),
    until: '15m',
    untilMs: NOW - HOUR / 4,
  };
  expect(said('x', written)).toEqual(['no line matches since 2026-11-25 07:00 UTC until 21:00 UTC']);
});

test.each([
  ['a and b', '"and" was looked for in the text: the operators are AND, OR and NOT, in capitals'],
  ['not status:200', '"not" was looked for in the text: the operators are AND, OR and NOT, in capitals'],
  ['path:/check?ut', '? stands for itself in /check?ut: * is the only wildcard'],
  ['-(a check?ut)', '? stands for itself in check?ut: * is the only wildcard'],
  ['che*ut', '* works at the end of a word, and anywhere in a field: path:*cart*'],
  ['message:*cart*', '* works at the end of a word, and anywhere in a field: path:*cart*'],
  ['*', '* alone is looked for in the text: leave the query out for every line'],
])('%s: %s', (query, hint) => {
  expect(said(query).slice(1)).toEqual([`hint: ${hint}`]);
});

test('what is meant as it stands has no hint', () => {
  for (const query of ['"and"', 'check*', 'path:*cart*', 'why?', '"a?b"', 'nor']) expect(said(query)).toHaveLength(1);
});
