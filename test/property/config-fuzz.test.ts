import { afterAll, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMPONENTS } from '../../src/components.ts';
import { resolveText } from '../support/configs.ts';
import { OperatingError } from '../../src/lib/errors.ts';
import { type Random, seededRandom } from '../../src/lib/random.ts';
import { RIGHT_CONFIG } from '../support/broken-config.ts';

const RUNS = process.env['TAILRACE_SOAK'] === '1' ? 100_000 : 2_000;
/** Of this process's own time: a busy machine is not a hang. */
const SLOW_MS = 1000;

/** What users copy: the configurations of the documents, and the right one with each component's examples. */
const EXAMPLES = [
  RIGHT_CONFIG,
  ...[
    'README.md',
    'docs/events.md',
    'docs/reference/config.md',
    'docs/reference/sinks.md',
    'docs/reference/sources.md',
  ].flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => text)),
  readFileSync('stack.yaml', 'utf8'),
  ...Object.values(COMPONENTS.sources).flatMap(({ examples }) =>
    examples.map(
      ({ options }) => `${RIGHT_CONFIG}sources: { web: ${JSON.stringify({ ...options, stream: 'access' })} }\n`,
    ),
  ),
  ...Object.values(COMPONENTS.codecs).map(({ type }) =>
    RIGHT_CONFIG.replace('{ type: combined }', `{ type: ${type} }`),
  ),
  ...Object.values(COMPONENTS.sinks).map(
    ({ type, example }) => `${RIGHT_CONFIG}sinks: { s: ${JSON.stringify({ type, ...example })} }\n`,
  ),
];

/** Pieces that parsers and checks trip over. */
const PIECES = [
  '&a ',
  '*a',
  '!!binary ',
  '<<: *a\n',
  '{',
  '}',
  '[',
  ']',
  ': ',
  '- ',
  '? ',
  '|\n',
  '>-\n',
  '"',
  "'",
  '#',
  '\t',
  '\n',
  '\r\n',
  '---\n',
  '...\n',
  'null',
  '~',
  'true',
  '1e999',
  '-0',
  '0x10',
  '.nan',
  '12345678901234567890',
  '2001-01-01',
  '1s',
  '1GiB',
  '[]',
  '{}',
  '""',
  '__proto__',
  'constructor',
  'toString',
  '${env:X}',
  '${file:/etc/passwd}',
  '${',
  '[a-Z]',
  '{a,b}'.repeat(12),
  '**/**/**',
  '(?:a+)+$',
  '\\',
  '\0',
  '\u001b[31m',
  '\u009b',
  '\u202e',
  '\ufeff',
  '\ud800',
  '\u{1f682}',
  'user:pass@host',
  'type: json',
  'type: kafka',
  'type: events',
  'a: '.repeat(50),
  '['.repeat(300),
  '{a: '.repeat(300),
  'x'.repeat(5000),
];

const pick = <T>(random: Random, values: readonly T[]): T => values[random.int(values.length)]!;

/** One change: a piece put in, a run taken out, doubled or moved, a character turned, a value or line of another example in place of one. */
function mutated(text: string, random: Random): string {
  const at = random.int(text.length + 1);
  const end = Math.min(text.length, at + 1 + random.int(pick(random, [1, 8, 80])));
  const other = pick(random, EXAMPLES);
  const words = /[^\s,:[\]{}]+/g;
  switch (random.int(8)) {
    case 0:
      return text.slice(0, at) + pick(random, PIECES) + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(end);
    case 2:
      return text.slice(0, end) + text.slice(at, end) + text.slice(end);
    case 3:
      return text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << random.int(8))) + text.slice(at + 1);
    case 4: {
      const word = pick(random, text.match(words) ?? ['']);
      return text.replace(word, () => pick(random, [...PIECES, ...(other.match(words) ?? [])]));
    }
    case 5: {
      const lines = text.split('\n');
      lines.splice(random.int(lines.length), random.int(2), pick(random, other.split('\n')));
      return lines.join('\n');
    }
    case 6:
      return text.slice(0, at) + other.slice(random.int(other.length));
    default:
      return text.replace(pick(random, text.match(/:[^\n]*/g) ?? ['']), () => `: ${pick(random, PIECES)}`);
  }
}

let slowest = { ms: 0, text: '' };
afterAll(
  () =>
    void process.stderr.write(
      `slowest of ${RUNS} configurations: ${slowest.ms.toFixed(0)} ms: ${JSON.stringify(slowest.text).slice(0, 700)}\n`,
    ),
);

test(`${RUNS} changed configurations are right or refused with words, none of them slowly`, () => {
  const random = seededRandom(1);
  let right = 0;
  for (let run = 0; run < RUNS; run++) {
    let text = pick(random, EXAMPLES);
    for (let i = 1 + random.int(4); i > 0; i--) text = mutated(text, random);
    const begin = process.cpuUsage();
    try {
      resolveText(text, join('/nowhere', 'tailrace.yaml'), { X: 'value', TAILRACE_NAME: 'web' }, 'whole');
      right++;
    } catch (error) {
      if (!(error instanceof OperatingError))
        throw new Error(`run ${run} of: ${JSON.stringify(text)}`, { cause: error });
      // Nothing that a terminal obeys, whatever the file holds.
      // oxlint-disable-next-line eslint/no-control-regex
      expect(error.message).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    }
    const used = process.cpuUsage(begin);
    const ms = (used.user + used.system) / 1000;
    if (ms > slowest.ms) slowest = { ms, text };
  }
  expect(right).toBeGreaterThan(0);
  expect(right).toBeLessThan(RUNS);
  if (slowest.ms > SLOW_MS) throw new Error(`${slowest.ms} ms: ${JSON.stringify(slowest.text)}`);
});
