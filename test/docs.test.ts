import { describe, expect, test } from '@jest/globals';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { REFERENCE_PAGES } from '../scripts/reference.ts';
import { COMPONENTS } from '../src/components.ts';
import { resolveText } from './support/configs.ts';
import { schemasOf } from '../src/config/schema.ts';

describe('the reference', () => {
  test.each(REFERENCE_PAGES)('$path is what `make docs` writes', ({ path, render }) => {
    expect(existsSync(path)).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe(render());
  });

  test('every component has a summary and an example', () => {
    for (const { summary, examples } of [
      ...Object.values(COMPONENTS.codecs),
      ...Object.values(COMPONENTS.transforms),
      ...Object.values(COMPONENTS.sources),
      ...Object.values(COMPONENTS.aggregates),
    ]) {
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
    expect(schemasOf(COMPONENTS).config.shape.sources.safeParse(sources).error).toBeUndefined();
  });
});

describe('what the documentation names is there', () => {
  const pages = ['README.md', 'CHANGELOG.md', ...globSync('docs/**/*.md')].map((path) => ({
    path,
    text: readFileSync(path, 'utf8'),
  }));
  const sources = globSync('src/**/*.ts').map((path) => readFileSync(path, 'utf8'));

  test.each(pages)('links and files of $path', ({ path, text }) => {
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => join(dirname(path), match[1]!));
    // Paths of this repository, from its root; with a star, at least one.
    const named = [...text.matchAll(/(?<![\w./])(?:src|test|docs|scripts)\/[\w./*-]+/g)].map(([name]) =>
      name.replace(/\.$/, ''),
    );
    expect([...links, ...named].filter((name) => globSync(name).length === 0)).toEqual([]);
  });

  test('the fault points of the design are those of the code', () => {
    const design = pages.find(({ path }) => path === 'docs/DESIGN.md')!.text;
    const inDesign = [...design.matchAll(/^\| `([a-z]+\.[a-z_]+)` \|/gm)].map((match) => match[1]);
    const inCode = sources.flatMap((text) => [...text.matchAll(/faultPoint\('([a-z._]+)'/g)].map((match) => match[1]));
    expect(inDesign.length).toBeGreaterThan(10);
    expect(new Set(inDesign)).toEqual(new Set(inCode));
  });

  test('the error codes of the runbook are those of the code', () => {
    const runbook = pages.find(({ path }) => path === 'docs/runbook.md')!.text;
    const codes = [...runbook.matchAll(/`([A-Z]+_[A-Z_]+)`/g)].map((match) => match[1]!);
    expect(codes.length).toBeGreaterThan(10);
    expect(codes.filter((code) => !sources.some((text) => text.includes(`'${code}'`)))).toEqual([]);
  });
});
