import { describe, expect, test } from '@jest/globals';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { REFERENCE_PAGES } from '../scripts/reference.ts';
import { AGGREGATES, CODECS, SOURCES } from '../src/components.ts';
import { resolveText } from '../src/config/load.ts';
import { configSchema } from '../src/config/schema.ts';

describe('the reference', () => {
  test.each(REFERENCE_PAGES)('$path is what `make docs` writes', ({ path, render }) => {
    expect(existsSync(path)).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe(render());
  });

  test('every component has a summary and an example', () => {
    for (const { summary, examples } of [...CODECS, ...SOURCES, ...AGGREGATES]) {
      expect(summary.length).toBeGreaterThan(20);
      expect(examples.length).toBeGreaterThan(0);
    }
  });
});

interface Example {
  readonly place: string;
  readonly text: string;
}

/** Every block of YAML in the documentation. */
function yamlBlocks(): Example[] {
  return ['README.md', ...globSync('docs/**/*.md')].flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/^```ya?ml\n([^]*?)^```/gm)].map((match, i) => ({
      place: `${path} block ${i + 1}`,
      text: match[1] ?? '',
    })),
  );
}

describe('configurations in the documentation', () => {
  const blocks = yamlBlocks();
  const whole = blocks.filter(({ text }) => text.includes('version: 1'));
  const parts = blocks.filter(({ text }) => text.startsWith('sources:'));

  test('there are some', () => {
    expect(whole.length).toBeGreaterThan(0);
    expect(parts.length).toBeGreaterThan(0);
  });

  test.each(whole)('$place is right', ({ text }) => {
    expect(resolveText(text, 'tailrace.yaml', {}).warnings).toEqual([]);
  });

  test.each(parts)('$place has sources as they may be written', ({ text }) => {
    const { sources } = parse(text) as { sources: unknown };
    expect(configSchema.shape.sources.safeParse(sources).error).toBeUndefined();
  });
});
