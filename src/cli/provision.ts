import type { Command } from 'commander';
import { systemClock } from '../lib/clock.ts';
import { EXIT } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { unifiedDiff } from '../lib/unified-diff.ts';
import { waitForElasticsearch } from '../sinks/elasticsearch/client.ts';
import { planTemplates, putTemplate } from '../sinks/elasticsearch/provision.ts';
import { loadNamedConfig } from './config-option.ts';
import { elasticsearchSinkNamed, elasticsearchTemplates, openElasticsearchSink } from './elasticsearch-sinks.ts';
import { withExamples } from './examples.ts';
import { print } from './output.ts';

const EXAMPLES = `Examples:
  tailrace provision elasticsearch --dry-run --diff   what would change, exit code 1 if anything
  tailrace provision elasticsearch                    make it so; nothing where it is so already
`;

export interface ProvisionOptions {
  readonly config?: string;
  readonly sink?: string;
  readonly dryRun?: boolean;
  readonly diff?: boolean;
}

/** How long a server that does not answer is waited for: a person, or a start-up script, is watching. */
export const WAIT_MS = 30_000;

export function registerProvision(program: Command): void {
  const provision = program
    .command('provision')
    .description('Makes what Tailrace needs in other systems: index templates in Elasticsearch. Says what it changes.');
  const elasticsearch = provision
    .command('elasticsearch')
    .description('Index templates: mappings of every field of the pipeline, for indices made from now on.')
    .action((options: ProvisionOptions) => provisionElasticsearch(options));
  withExamples(withProvisionOptions(elasticsearch), EXAMPLES);
  withExamples(provision, EXAMPLES);
}

export function withProvisionOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'the configuration (default: ./tailrace.yaml)')
    .option('--sink <name>', 'which sink, where there are several of type elasticsearch')
    .option('--dry-run', 'change nothing; exit code 1 when something would change')
    .option('--diff', 'show the difference as JSON, line by line');
}

async function provisionElasticsearch(options: ProvisionOptions): Promise<void> {
  const config = loadNamedConfig(options.config);
  const { sink } = elasticsearchSinkNamed(config, options.sink);
  const client = openElasticsearchSink(sink);
  try {
    await waitForElasticsearch(client, { clock: systemClock, timeoutMs: WAIT_MS });
    const changes = await planTemplates(client, elasticsearchTemplates(config, sink));
    for (const { kind, template, before } of changes) {
      report({ kind, what: `template ${template.name}`, before, after: template.body }, options);
      if (kind !== 'same' && options.dryRun !== true) await putTemplate(client, template);
    }
    summarise(
      changes.map(({ kind }) => kind),
      options,
    );
  } finally {
    await client.close();
  }
}

export interface Change {
  readonly kind: 'create' | 'update' | 'same';
  readonly what: string;
  /** JSON values. */
  readonly before: unknown;
  readonly after: unknown;
}

/** One line a thing, and below it the difference where that is wanted. */
export function report({ kind, what, before, after }: Change, { dryRun, diff }: ProvisionOptions): void {
  const would = dryRun === true;
  const done = kind === 'create' ? (would ? 'would be made' : 'made') : would ? 'would change' : 'changed';
  print(`${what}: ${kind === 'same' ? 'as it should be' : done}`);
  if (diff !== true || kind === 'same') return;
  const lines = unifiedDiff(before === undefined ? '' : prettyJson(before), prettyJson(after)).split('\n');
  print(lines.map((line) => `  ${escapeText(line)}`).join('\n'));
}

export function summarise(kinds: readonly Change['kind'][], { dryRun }: ProvisionOptions): void {
  const changes = kinds.filter((kind) => kind !== 'same').length;
  if (changes === 0) return print('nothing to do');
  if (dryRun !== true) return print(`${changes} changed`);
  print(`${changes} would change`);
  process.exitCode = EXIT.failed;
}

/** JSON with sorted keys, so that order is no difference. */
function prettyJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => sorted(inner), 2);
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
