import type { Command } from 'commander';
import { AGGREGATES, CODECS, OPERATORS, SINKS, SOURCES, TRANSFORMS } from '../components.ts';
import { print, printJson } from './output.ts';
import { withExamples } from './examples.ts';

export function registerList(program: Command): void {
  const command = program
    .command('list')
    .description('Lists what a configuration can name: sources, codecs, transforms, windows, aggregates, sinks.')
    .option('--json', 'one JSON array')
    .action((options: { json?: boolean }) => {
      const components = listComponents();
      if (options.json === true) printJson(components);
      else print(asText(components));
    });
  withExamples(command, 'Examples:\n  tailrace list\n  tailrace list --json | jq -r ".[].name"\n');
}

interface Component {
  readonly kind: string;
  readonly name: string;
  readonly summary: string;
}

function listComponents(): Component[] {
  const named = (kind: string, list: readonly { type: string; summary: string }[]): Component[] =>
    list.map(({ type, summary }) => ({ kind, name: type, summary }));
  return [
    ...named('source', SOURCES),
    ...named('codec', CODECS),
    ...named('transform', TRANSFORMS),
    ...named('window', OPERATORS),
    ...AGGREGATES.map(({ name, summary }) => ({ kind: 'aggregate', name, summary })),
    ...named('sink', SINKS),
  ];
}

function asText(components: readonly Component[]): string {
  const width = Math.max(...components.map(({ name }) => name.length));
  return components.map(({ kind, name, summary }) => `${kind.padEnd(10)} ${name.padEnd(width)}  ${summary}`).join('\n');
}
