import type { Command } from 'commander';
import type { Components, Launch } from '../roles/definitions.ts';
import { print, printJson } from './output.ts';
import { withExamples } from './examples.ts';

export function registerList(program: Command, { components }: Launch): void {
  const command = program
    .command('list')
    .description('Lists what a configuration can name: sources, codecs, transforms, windows, aggregates, sinks.')
    .option('--json', 'one JSON array')
    .action((options: { json?: boolean }) => {
      const all = listComponents(components);
      if (options.json === true) printJson(all);
      else print(asText(all));
    });
  withExamples(command, 'Examples:\n  tailrace list\n  tailrace list --json | jq -r ".[].name"\n');
}

interface Component {
  readonly kind: string;
  readonly name: string;
  readonly summary: string;
}

function listComponents({ sources, codecs, transforms, operators, aggregates, sinks }: Components): Component[] {
  const named = (kind: string, list: Readonly<Record<string, { type: string; summary: string }>>): Component[] =>
    Object.values(list).map(({ type, summary }) => ({ kind, name: type, summary }));
  return [
    ...named('source', sources),
    ...named('codec', codecs),
    ...named('transform', transforms),
    ...named('window', operators),
    ...Object.values(aggregates).map(({ name, summary }) => ({ kind: 'aggregate', name, summary })),
    ...named('sink', sinks),
  ];
}

function asText(components: readonly Component[]): string {
  const width = Math.max(...components.map(({ name }) => name.length));
  return components.map(({ kind, name, summary }) => `${kind.padEnd(10)} ${name.padEnd(width)}  ${summary}`).join('\n');
}
