// Writes the generated pages of docs/reference; with `--check` it only says which of them are out of date.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { kibanaObjects, toNdjson } from '../src/sinks/elasticsearch/kibana-objects.ts';
import { type Page, REFERENCE_PAGES } from './reference.ts';

const GENERATED = '<!-- Written by `make docs`. Do not edit. -->';

function makeTargets(): string {
  const targets = [...readFileSync('Makefile', 'utf8').matchAll(/^([a-z-]+):.*?## (.+)$/gm)];
  const rows = targets.map(([, name, summary]) => `| \`make ${name}\` | ${summary} |`);
  return ['# Make targets', '', GENERATED, '', '| command | what it does |', '| --- | --- |', ...rows, ''].join('\n');
}

const PAGES: Page[] = [
  { path: 'docs/reference/make.md', render: makeTargets },
  { path: 'dashboards/kibana/tailrace.ndjson', render: () => toNdjson(kibanaObjects('tailrace')) },
  ...REFERENCE_PAGES,
];

const isCheck = process.argv.includes('--check');
for (const { path, render } of PAGES) {
  const text = render();
  if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
  if (isCheck) {
    console.error(`${path} is out of date: run 'make docs'`);
    process.exitCode = 1;
    continue;
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  console.log(`wrote ${path}`);
}
