import { expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileExclude, Glob } from '../../../src/agent/sources/glob.ts';

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
