import { expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  absolutePatterns,
  compileExclude,
  Glob,
  literalPattern,
  patternProblem,
} from '../../../src/agent/sources/glob.ts';

const TREE = ['a.log', 'a.log.1', 'b.log', '.hidden.log', 'x[1].log', 'deep/c.log', 'deep/er/d.log', 'other/c.log'];

function expandIn(pattern: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-glob-'));
  try {
    for (const path of TREE) {
      mkdirSync(join(folder, path, '..'), { recursive: true });
      writeFileSync(join(folder, path), '');
    }
    const found = new Glob(`${folder}/${pattern}`).expand(() => {});
    return found.map((path) => path.slice(folder.length + 1)).sort();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test.each([
  ['*.log', ['a.log', 'b.log', 'x[1].log']],
  ['a.log*', ['a.log', 'a.log.1']],
  ['?.log', ['a.log', 'b.log']],
  ['[ab].log', ['a.log', 'b.log']],
  ['[!a].log', ['b.log']],
  ['[a-b].log', ['a.log', 'b.log']],
  ['{a,b}.log', ['a.log', 'b.log']],
  ['{a,{b,x\\[1\\]}}.log', ['a.log', 'b.log', 'x[1].log']],
  ['*/c.log', ['deep/c.log', 'other/c.log']],
  ['**/*.log', ['a.log', 'b.log', 'deep/c.log', 'deep/er/d.log', 'other/c.log', 'x[1].log']],
  ['deep/**', ['deep/c.log', 'deep/er/d.log']],
  ['.*.log', ['.hidden.log']],
  ['missing/*.log', []],
  ['a.log', ['a.log']],
  ['x\\[1\\].log', ['x[1].log']],
])('%s', (pattern, expected) => {
  expect(expandIn(pattern)).toEqual(expected);
});

test('a path without pattern characters lists nothing', () => {
  expect(new Glob('/var/log/app.log').literal).toBe('/var/log/app.log');
  expect(new Glob('/var/log/*.log').literal).toBeUndefined();
});

test('names and paths are excluded', () => {
  const isExcluded = compileExclude(['*.gz', '/var/log/{a,b}/**']);
  expect(['/x/y.gz', '/var/log/a/b/c.log', '/var/log/c/d.log', '/x/y.log'].map(isExcluded)).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

test.each(['a[1].log', 'a*b', 'a?', '{a,b}', '!a', 'a\\b', '+(a|b)', '~', 'a}{', '[!x]', 'a,b', '**'])(
  'the literal pattern of %s matches it alone',
  (name) => {
    const glob = new Glob(literalPattern(`/x/${name}`));
    expect(glob.literal).toBe(`/x/${name}`);
    expect(['a1.log', 'ab', 'aa', 'a', 'b'].filter((other) => glob.matches(`/x/${other}`))).toEqual([]);
  },
);

test('a folder whose name looks like a pattern is a folder', () => {
  const glob = (pattern: string): Glob[] => absolutePatterns('/srv/[ab]{1,2}', pattern).map((text) => new Glob(text));
  expect(glob('*.log').map((one) => one.matches('/srv/[ab]{1,2}/x.log'))).toEqual([true]);
  expect(glob('*.log').map((one) => one.matches('/srv/a1/x.log'))).toEqual([false]);
  expect(glob('{/var/log/a,b}.log').map(({ literal }) => literal)).toEqual(['/var/log/a.log', '/srv/[ab]{1,2}/b.log']);
});

test.each([
  ['logs/app[a-Z].log', 'runs backwards'],
  ['~/logs/*.log', '~ is for a shell'],
  ['~root/x.log', '~ is for a shell'],
  ['!*.gz', 'list under exclude'],
  ['a\0b', 'no path has a NUL in it'],
  [`/x/${'a'.repeat(5000)}`, 'has 5003 characters'],
  ['/a/**/b/**/c/**/d', 'takes at most 2 times **'],
  [`${'{a,b}'.repeat(20)}.log`, 'more than 1000 alternatives'],
])('%s is refused', (pattern, message) => {
  expect(patternProblem(pattern)).toContain(message);
});

test('a backup and a name that ends with a tilde are names', () => {
  for (const pattern of ['*~', 'a~', '~backup.log', './~/x']) expect(patternProblem(pattern)).toBeUndefined();
});
