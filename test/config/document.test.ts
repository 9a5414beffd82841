import { describe, expect, test } from '@jest/globals';
import { parseConfigDocument } from '../../src/config/document.ts';
import { problemsOf, refuses } from '../support/broken-config.ts';

refuses(
  'a key twice',
  'name: web',
  'name: web\nname: site',
  '3:1 DUPLICATE_KEY: a map has the same key twice — remove one',
);
refuses(
  'a bracket that is not closed',
  '[url.path]',
  '[url.path',
  '13:5 YAML: not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
);
refuses(
  'a tab for indentation',
  '  traffic:',
  '\ttraffic:',
  '10:1 YAML: not valid YAML: Tabs are not allowed as indentation',
);
refuses('an alias without an anchor', '[url.path]', '*keys', '12:9 YAML: alias *keys has no anchor &keys before it');
refuses('a tag that nobody knows', 'name: web', 'name: !shell web', '2:7 YAML: not valid YAML: Unresolved tag: !shell');
refuses(
  'two documents',
  'name: web',
  'name: web\n---\nname: b',
  '3:1 YAML: the file holds several YAML documents — keep one',
);

test('an alias bomb is refused before it explodes', () => {
  const level = (name: string, of: string): string => `${name}: &${name} [${Array(9).fill(of).join(', ')}]`;
  const bomb = [level('a', 'x'), level('b', '*a'), level('c', '*b'), level('d', '*c'), level('e', '*d')].join('\n');
  expect(problemsOf(bomb)).toEqual(['5:40 YAML: aliases expand to more than 100 copies — write the values out']);
});

test('an empty file and a file with a word are no configuration', () => {
  expect(problemsOf('')).toEqual(['1:1 WRONG_TYPE: the file is empty — expects a map of keys']);
  expect(problemsOf('web\n')).toEqual(['1:1 WRONG_TYPE: the file is the text "web" — expects a map of keys']);
});

/** What nobody writes by hand, and what would take for ever or end in a stack trace. */
describe('a file that is an attack is one clear line, within a second', () => {
  test.each([
    ['a circle', '{a: &a {b: *a}}', 'alias *a stands in what it is the name of'],
    ['a circle further down', 'x: 1\ny: &y\n  - [1, { z: *y }]\n', 'alias *y stands in what it is the name of'],
    ['60,000 keys', Array.from({ length: 60_000 }, (_, i) => `k${i}: 1`).join('\n'), 'more than 20000 keys'],
    ['10,000 brackets', '['.repeat(10_000) + ']'.repeat(10_000), 'nested too deeply'],
    ['10,000 maps', '{a: '.repeat(10_000) + '}'.repeat(10_000), 'nested too deeply'],
    ['200 levels', '[1,'.repeat(200) + ']'.repeat(200), 'nested too deeply'],
    [
      '1,000 levels of lines',
      Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
      'nested too deeply',
    ],
    ['a name that objects have', 'rollups: { __proto__: 1 }', 'the name "__proto__" cannot be used'],
    ['a reference without quotes', 'a: [x, ${env:X}]', 'not valid YAML'],
  ])('%s', (_what, text, message) => {
    // Of this process's own time: a busy machine is not a hang.
    const begin = process.cpuUsage();
    const { problems } = parseConfigDocument(text);
    expect(problems[0]?.message).toContain(message);
    expect(process.cpuUsage(begin).user / 1000).toBeLessThan(5000);
  });

  test('the way out of a reference in a list of one line is said', () => {
    expect(parseConfigDocument('a: [x, ${env:X}]').problems[0]?.hint).toBe(
      'put references in quotes there: "${env:NAME}"',
    );
    expect(parseConfigDocument('a: [x, "${env:X}"]').problems).toEqual([]);
  });
});
