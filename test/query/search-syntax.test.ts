import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { OperatingError } from '../../src/lib/errors.ts';
import type { SearchNode } from '../../src/query/search-node.ts';
import { parseSearch } from '../../src/query/search-syntax.ts';

/** A tree in one line. */
function shown(node: SearchNode | undefined): string {
  if (node === undefined) return 'everything';
  switch (node.kind) {
    case 'and':
    case 'or':
      return `${node.kind}(${node.nodes.map(shown).join(', ')})`;
    case 'not':
      return `not(${shown(node.node)})`;
    case 'text':
      return node.value.isQuoted ? JSON.stringify(node.value.text) : node.value.text;
    case 'field':
      return `${node.field.text} ${node.operator} ${node.value.text}`;
  }
}

describe('a search', () => {
  test.each([
    ['', 'everything'],
    ['  ', 'everything'],
    ['status>=500 path:/api', 'and(status >= 500, path : /api)'],
    ['a b OR c d', 'or(and(a, b), and(c, d))'],
    ['a AND (b OR c) -d', 'and(a, or(b, c), not(d))'],
    ['-(a b) NOT c', 'and(not(and(a, b)), not(c))'],
    ['--a', 'not(not(a))'],
    ['"a \\"b\\" \\x \\\\ c"', '"a \\"b\\" \\\\x \\\\ c"'],
    ['agent:"Mozilla (X11)" a-b 10.1.2.3', 'and(agent : Mozilla (X11), a-b, 10.1.2.3)'],
    ['@timestamp>2026-11-26T10:05:00Z', '@timestamp > 2026-11-26T10:05:00Z'],
    ['level!=debug x=-1', 'and(level != debug, x = -1)'],
    ['bytes<=10 bytes<10', 'and(bytes <= 10, bytes < 10)'],
    ['and or not', 'and(and, or, not)'],
    ['http://a/b', 'http : //a/b'],
    ['ip:2001:db8::1', 'ip : 2001:db8::1'],
    ['/api/ /a.b/ ~ index.php~ a&&b x?y=1', 'and(/api/, /a.b/, ~, index.php~, a&&b, x?y=1)'],
    ['"&&" "!a" "path~x" path:"~x"', 'and("&&", "!a", "path~x", path : ~x)'],
  ])('%s is %s', (query, expected) => {
    expect(shown(parseSearch(query))).toBe(expected);
  });

  test.each([
    ['status>= 500', 'status>= has no value', '^^^^^^^^'],
    ['a "b c', 'this quote is not closed', '  ^^^^'],
    ['(a OR b', 'this is not closed', '^'],
    ['a && b', '&& is not an operator here', '  ^^ write AND, or nothing'],
    ['a || b', '|| is not an operator here', '  ^^ write OR'],
    ['a !status:200', '! is not an operator here', '  ^ write -status:200;'],
    ['!(a b)', '! is not an operator here', '^ write - or NOT;'],
    ['path~cart', '~ is not an operator here', '    ^ write path:*cart*;'],
    ['path=~cart', '=~ is not an operator here', '     ^ write path:*cart*'],
    ['path!~cart', '~ is not an operator here', '     ^ write path:*cart*;'],
    ['path==/x', '== is not an operator here', '     ^ write path=/x'],
    ['status:>=500', ':>= is not an operator here', '       ^^ write status>=500'],
    ['/check.*/', 'there are no regular expressions here', '^^^^^^^^^ * is the only wildcard'],
    ['path:/ca[rt]+/', 'there are no regular expressions here', '     ^^^^^^^^^ *'],
    ['-', '- has nothing behind it', '^ write -word, without a blank'],
    ['- a', '- has nothing behind it', '^'],
    ['a status:(500 OR 503)', 'status: takes one value', '         ^^^^^^^^^^^^ write (status:500 OR status:503)'],
    ['path=("a b" /c', 'path= takes one value', '     ^^^^^^^^^ write (path="a b" path=/c)'],
    ['a OR', 'something is missing at the end', '    ^'],
    ['a OR )', 'something is missing before this', '     ^'],
    ['a) b', 'this closes nothing', ' ^'],
    ['ü NOT', 'something is missing at the end', '     ^'],
    ['é"\u001b', 'this quote is not closed', ' ^^'],
  ])('%s is refused: %s', (query, what, carets) => {
    const refused = (): unknown => parseSearch(query);
    expect(refused).toThrow(what);
    expect(refused).toThrow(`\n  ${carets}`);
    // Nothing of what was written moves a cursor.
    // oxlint-disable-next-line eslint/no-control-regex
    expect(refused).not.toThrow(/[\u0000-\u0009\u000b-\u001f]/);
  });

  test('nests to a depth and no further', () => {
    expect(shown(parseSearch(`${'('.repeat(40)}a${')'.repeat(40)}`))).toBe('a');
    expect(() => parseSearch('('.repeat(4000))).toThrow('nested too deep');
    expect(() => parseSearch('-'.repeat(4000) + 'a')).toThrow(OperatingError);
  });

  test('whatever is written is a search or an error that says where', () => {
    const parts = fc.constantFrom(
      'a',
      '"',
      '(',
      ')',
      '-',
      ' ',
      'OR',
      'AND',
      'status',
      ':',
      '>=',
      '\\',
      '*',
      '/',
      '\u202e',
      '😀',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(parts).map((all) => all.join('')),
          fc.string(),
        ),
        (query) => {
          try {
            parseSearch(query);
          } catch (error) {
            expect(error).toBeInstanceOf(OperatingError);
            expect((error as Error).message).toMatch(/\^/);
          }
        },
      ),
      { seed: 41, numRuns: 500 },
    );
  });
});
