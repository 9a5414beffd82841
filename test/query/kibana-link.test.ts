import { describe, expect, test } from '@jest/globals';
import { discoverLink, kqlOf, rison } from '../../src/query/kibana-link.ts';
import { parseSearch } from '../../src/query/search-syntax.ts';

describe('Rison', () => {
  // Examples of https://github.com/Nanonid/rison.
  test.each([
    [{ a: 0, b: 1 }, '(a:0,b:1)'],
    [{ a: 0, b: 'foo', c: '23skidoo' }, "(a:0,b:foo,c:'23skidoo')"],
    [false, '!f'],
    [null, '!n'],
    ['', "''"],
    ['0a', "'0a'"],
    ['abc def', "'abc def'"],
    ['-h', "'-h'"],
    ['a-z', 'a-z'],
    ["can't!", "'can!'t!!'"],
    [[1, [true, []], 'x'], '!(1,!(!t,!()),x)'],
    [1e30, '1e30'],
    [-3, '-3'],
    [{ '@timestamp': 'now-15m' }, "('@timestamp':now-15m)"],
  ])('%j is %s', (value, expected) => {
    expect(rison(value)).toBe(expected);
  });
});

describe('a search in Kibana', () => {
  const FIELDS = { 'http.response.status_code': 'long', 'url.path': 'keyword', '@timestamp': 'date' } as const;

  test.each([
    ['', ''],
    ['status>=500 path:/api', '(http.response.status_code >= "500" and url.path: /api*)'],
    ['path=/api', 'url.path: "/api"'],
    ['-status:5xx', 'not http.response.status_code: (>= 500 and < 600)'],
    ['"connection \\"reset\\"" OR timeout', '((message: "connection" and message: "reset") or (message: "timeout"))'],
    ['path!="a\\\\b"', 'not url.path: "a\\\\b"'],
    ['path:/a*b', 'url.path: /a\\*b*'],
    ['message:"a b" message!=c', '((message: "a" and message: "b") and not (message: "c"))'],
  ])('%s is %s', (query, expected) => {
    expect(kqlOf(parseSearch(query), FIELDS)).toBe(expected);
  });

  test('has an address that says it all', () => {
    const link = discoverLink({
      kibana: 'http://127.0.0.1:5601/base/',
      dataView: 'tailrace-documents',
      query: `url.path: "/it's & more"`,
      from: 'now-1h',
      to: 'now',
      columns: ['message'],
    });
    const url = new URL(link);
    expect(link).not.toMatch(/[ '"]/);
    expect(url.pathname).toBe('/base/app/discover');
    const state = new URLSearchParams(url.hash.slice(3));
    expect(state.get('_g')).toBe('(time:(from:now-1h,to:now))');
    expect(state.get('_a')).toBe(
      `(columns:!(message),dataSource:(dataViewId:tailrace-documents,type:dataView),query:(language:kuery,query:'url.path: "/it!'s & more"'),sort:!(!('@timestamp',desc)))`,
    );
  });
});
