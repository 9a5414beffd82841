import { describe, expect, it } from '@jest/globals';
import { quoteFieldNames } from '../../src/expressions/field-names.ts';

describe('names of fields', () => {
  it.each([
    ['status = 200', 'status = 200'],
    ['http.status = 200', '"http.status" = 200'],
    ['x.y.z', '"x.y.z"'],
    ['@timestamp > a.b', '"@timestamp" > "a.b"'],
    ['@a.b', '"@a.b"'],
    ['event.@time', '"event.@time"'],
    ['kubernetes.labels.app-name', '"kubernetes.labels.app-name"'],
    ['größe.naïve_1', '"größe.naïve_1"'],
    ['a.b+c.d', '"a.b"+"c.d"'],
    ['(a.b)', '("a.b")'],
    ['a.b::varchar', '"a.b"::varchar'],
    ['1.5 + .5 + 1.e3 + 1e-3 + 1_000.5', '1.5 + .5 + 1.e3 + 1e-3 + 1_000.5'],
    ["'a.b' || 'it''s a.b'", "'a.b' || 'it''s a.b'"],
    [String.raw`e'it\'s a.b'`, String.raw`e'it\'s a.b'`],
    ['$$a.b$$ || $x$a.b$$c.d$x$', '$$a.b$$ || $x$a.b$$c.d$x$'],
    ['"a.b" = "c""d.e"', '"a.b" = "c""d.e"'],
    ['x -- a.b\n + c.d', 'x -- a.b\n + "c.d"'],
    ['x /* a.b */ + c.d', 'x /* a.b */ + "c.d"'],
    ['a.b(c.d)', 'a.b("c.d")'],
    ['a.b (c.d)', 'a.b ("c.d")'],
    ['a ^@ b.c', 'a ^@ "b.c"'],
    ['a ^@b', 'a ^@b'],
    ['a @> b', 'a @> b'],
    ["a.b in ('x')", `"a.b" in ('x')`],
    ["'open a.b", `'open "a.b"`],
  ])('%s', (text, quoted) => {
    expect(quoteFieldNames(text).text).toBe(quoted);
  });

  it('keep the place of what stands behind them', () => {
    const text = 'a.b = c.d and @e';
    const names = quoteFieldNames(text);
    const originOf = (place: number): number => names.originOf(place);
    const quoted = names.text;
    for (const word of ['a.b', '=', 'c.d', 'and', '@e'])
      expect([word, originOf(quoted.indexOf(word))]).toEqual([word, text.indexOf(word)]);
    expect(originOf(quoted.indexOf('"c.d'))).toBe(text.indexOf('c.d'));
    expect(originOf(quoted.length)).toBe(text.length);
  });
});
