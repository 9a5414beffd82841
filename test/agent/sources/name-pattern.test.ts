import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { NamePattern } from '../../../src/agent/sources/name-pattern.ts';

test.each([
  ['*.log', ['a.log', '.log'], [true, false]],
  ['?', ['a', '🚂', 'ab', '.'], [true, true, false, false]],
  ['[[:digit:]x]', ['7', 'x', ':', 'a'], [true, true, false, false]],
  ['[!a-c]', ['d', 'b'], [true, false]],
  ['[^a-c]', ['d', 'b'], [true, false]],
  ['[]a]', [']', 'a', 'b'], [true, true, false]],
  ['[a-]', ['-', 'a', 'b'], [true, true, false]],
  ['[\\]]', [']', '\\'], [true, false]],
  ['a[1.log', ['a[1.log', 'a1.log'], [true, false]],
  ['a\\[1\\].log', ['a[1].log', 'a1.log'], [true, false]],
  ['a(1).log', ['a(1).log'], [true]],
  ['.*', ['.a', 'a'], [true, false]],
])('%s', (text, names, expected) => {
  const pattern = new NamePattern(text);
  expect(names.map((name) => pattern.matches(name))).toEqual(expected);
});

test.each([
  ['app[a-Z].log', 'the range a-Z runs backwards: write [A-Za-z], or \\[ for a bracket that is meant'],
  ['app[9-0].log', 'the range 9-0 runs backwards: write [0-9], or \\[ for a bracket that is meant'],
  ['[[:word:]]', 'there is no class [:word:]'],
  ['x\\', 'ends with a backslash'],
  ['!(*.gz)', '!(*.gz) is a pattern of other tools'],
  ['@(a|b).log', '@(a|b) is a pattern of other tools'],
])('%s is refused', (text, message) => {
  expect(() => new NamePattern(text)).toThrow(message);
});

/** The same by trying every way, over a small alphabet. */
function matchesSlowly(pattern: string, name: string): boolean {
  if (pattern === '') return name === '';
  const [first, rest] = [pattern[0]!, pattern.slice(1)];
  if (first === '*') return matchesSlowly(rest, name) || (name !== '' && matchesSlowly(pattern, name.slice(1)));
  return name !== '' && (first === '?' || first === name[0]) && matchesSlowly(rest, name.slice(1));
}

test('stars and question marks match what trying every way matches', () => {
  const text = (characters: string): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(...Array.from(characters)), maxLength: 9 });
  fc.assert(
    fc.property(text('ab*?'), text('ab'), (pattern, name) => {
      expect(new NamePattern(pattern).matches(name)).toBe(matchesSlowly(pattern, name));
    }),
    { numRuns: 2000 },
  );
});

test('a name chosen to make a pattern slow costs pattern × name steps', () => {
  const pattern = new NamePattern(`${'*a'.repeat(60)}b`);
  const begin = performance.now();
  for (let i = 0; i < 100; i++) expect(pattern.matches('a'.repeat(255))).toBe(false);
  expect(performance.now() - begin).toBeLessThan(2000);
});
