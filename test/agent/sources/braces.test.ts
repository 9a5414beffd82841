import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { expandBraces } from '../../../src/agent/sources/braces.ts';

test('braces expand as they do in bash', () => {
  // Groups of two or more: a brace pair without a comma has odd rules of its own there.
  const { pattern } = fc.letrec<{ pattern: string; part: string }>((tie) => ({
    pattern: fc.array(tie('part'), { maxLength: 3 }).map((parts) => parts.join('')),
    part: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom('a', 'b', '.log', '\\{', '\\,'),
      fc.array(tie('pattern'), { minLength: 2, maxLength: 3 }).map((parts) => `{${parts.join(',')}}`),
    ),
  }));
  const patterns = fc
    .sample(
      pattern.filter((text) => text.split(',').length < 9),
      { numRuns: 500, seed: 1 },
    )
    .map((text) => `x${text}`);
  // A number of arguments for each pattern, since an alternative may look like anything.
  const script = patterns.map((pattern) => `printf '%s\\n' '#' ${pattern}`).join('\n');
  const answers = execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('#\n').slice(1);
  const expanded = patterns.map((text) => expandBraces(text).map((one) => one.replaceAll('\\', '')));
  expect(expanded).toEqual(answers.map((answer) => answer.split('\n').slice(0, -1)));
});

test.each([
  ['a{b,c{d,e}}', ['ab', 'acd', 'ace']],
  ['{a}', ['{a}']],
  ['a\\{b,c\\}', ['a\\{b,c\\}']],
  ['{a\\,b,c}', ['a\\,b', 'c']],
])('%s', (pattern, expected) => {
  expect(expandBraces(pattern)).toEqual(expected);
});

test.each(['{a,b}'.repeat(20), `${'{a,'.repeat(1200)}b${'}'.repeat(1200)}`, '{a,b}'.repeat(800)])(
  'too many alternatives are refused before they are made',
  (pattern) => {
    expect(() => expandBraces(pattern)).toThrow('more than 1000 alternatives');
  },
);

test('braces in great depth are read', () => {
  expect(expandBraces(`${'{'.repeat(4000)}a${'}'.repeat(4000)}`)).toHaveLength(1);
  expect(expandBraces(`${'{a,'.repeat(1000)}b`)).toHaveLength(1);
});

test('a range of a shell is refused with the way out', () => {
  expect(() => expandBraces('access.log.{1..9}')).toThrow('{1..9} is a range of a shell');
});
