import { expect, test } from '@jest/globals';
import { problemsOf, refuses } from '../support/broken-config.ts';

refuses(
  'a key twice',
  'name: web',
  'name: web\nname: site',
  '3:1 DUPLICATE_KEY: a key stands twice in one map — remove one',
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
