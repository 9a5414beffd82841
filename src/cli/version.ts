import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { print, printJson } from './output.ts';

export function programVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

export function registerVersion(program: Command): void {
  program
    .command('version')
    .description('Says which versions run here: for a report of what went wrong.')
    .option('--json', 'one JSON object')
    .action((options: { json?: boolean }) => {
      const facts = {
        tailrace: programVersion(),
        node: process.versions.node,
        sqlite: process.versions['sqlite'] ?? 'unknown',
        platform: `${process.platform} ${process.arch}`,
      };
      if (options.json === true) printJson(facts);
      else
        print(
          Object.entries(facts)
            .map(([name, value]) => `${name} ${value}`)
            .join('\n'),
        );
    });
}
