import { expect, test } from '@jest/globals';
import { ConfigError, renderProblem } from '../../src/config/problem.ts';

const problem = {
  code: 'CONFIG_UNKNOWN_KEY',
  message: 'unknown key "pths" in sources.web',
  hint: 'did you mean "paths"?',
};

test('a problem is shown with its line, carets and the way out', () => {
  const text = 'a: 1\nb:\n  c:\n    pths: [a.log]\n';
  expect(`\n${renderProblem('web.yaml', text, { ...problem, position: { line: 4, column: 5, length: 4 } })}\n`).toBe(`
error CONFIG_UNKNOWN_KEY: unknown key "pths" in sources.web
  ┌─ web.yaml:4:5
4 │     pths: [a.log]
  │     ^^^^ did you mean "paths"?
`);
});

test('a problem that stands in no file has no place', () => {
  expect(renderProblem('web.yaml', '', problem)).toBe(
    'error CONFIG_UNKNOWN_KEY: unknown key "pths" in sources.web\n  = did you mean "paths"?',
  );
});

test('control characters of a line do not reach the terminal, and the carets still fit', () => {
  const text = `\u001b]0;x\u0007: \u202e1`;
  const [, , line, carets] = renderProblem('x', text, {
    ...problem,
    position: { line: 1, column: 9, length: 2 },
  }).split('\n');
  expect(line).toBe('1 │ \\x1b]0;x\\x07: \\u202e1');
  expect(carets).toBe('  │               ^^ did you mean "paths"?');
});

test('a long line is shown around its culprit', () => {
  const text = `${'x'.repeat(5000)}CULPRIT${'y'.repeat(5000)}`;
  const shown = renderProblem('x', text, { ...problem, position: { line: 1, column: 5001, length: 7 } });
  expect(shown).toContain('CULPRIT');
  expect(Math.max(...shown.split('\n').map((line) => line.length))).toBeLessThan(130);
});

test('at most twenty problems are shown, and the rest counted', () => {
  const problems = Array.from({ length: 23 }, () => ({ ...problem, position: { line: 1, column: 1, length: 1 } }));
  const { message, exitCode } = new ConfigError('x', 'x', problems);
  expect(message.match(/error CONFIG/g)).toHaveLength(20);
  expect(message.endsWith('and 3 more problems in x')).toBe(true);
  expect(exitCode).toBe(3);
});
