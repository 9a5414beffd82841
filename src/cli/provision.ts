import type { Command } from 'commander';
import { systemClock } from '../lib/clock.ts';
import { EXIT } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { unifiedDiff } from '../lib/unified-diff.ts';
import { dashboardLink, discoverLink } from '../query/kibana-link.ts';
import { accessOf, elasticsearchTemplates, openElasticsearchSink } from '../roles/sinks/elasticsearch-client.ts';
import { waitForElasticsearch } from '../sinks/elasticsearch/client.ts';
import type { SavedObject } from '../sinks/elasticsearch/kibana-lens.ts';
import { DASHBOARD, DEFAULT_KIBANA, DOCUMENTS_DATA_VIEW } from '../sinks/elasticsearch/kibana-names.ts';
import { kibanaObjects } from '../sinks/elasticsearch/kibana-objects.ts';
import { Kibana, comparable, holds } from '../sinks/elasticsearch/kibana.ts';
import { planTemplates, putTemplate } from '../sinks/elasticsearch/provision.ts';
import type { Components, Launch } from '../roles/definitions.ts';
import { loadNamedConfig } from './config-option.ts';
import { COMMAND_WAIT_MS, elasticsearchSinkNamed } from './elasticsearch-sinks.ts';
import { withExamples } from './examples.ts';
import { print } from './output.ts';

const EXAMPLES = `Examples:
  tailrace provision elasticsearch --dry-run --diff   what would change, exit code 1 if anything
  tailrace provision elasticsearch                    make it so; nothing where it is so already
  tailrace provision kibana --kibana http://127.0.0.1:5601
`;

interface ProvisionOptions {
  readonly config?: string;
  readonly sink?: string;
  readonly dryRun?: boolean;
  readonly diff?: boolean;
}

interface KibanaProvisionOptions extends ProvisionOptions {
  readonly kibana: string;
}

export function registerProvision(program: Command, { components }: Launch): void {
  const provision = program
    .command('provision')
    .description('Makes what Tailrace needs in Elasticsearch and Kibana, and says what it changes.');
  const elasticsearch = provision
    .command('elasticsearch')
    .description('Index templates: mappings of every field of the pipeline, for indices made from now on.')
    .action((options: ProvisionOptions) => provisionElasticsearch(options, components));
  withExamples(withProvisionOptions(elasticsearch), EXAMPLES);
  const kibana = provision
    .command('kibana')
    .description('Data views, saved searches and a dashboard in Kibana, and their addresses.')
    .option('--kibana <url>', 'address of Kibana, with its base path and space if there are any', DEFAULT_KIBANA)
    .action((options: KibanaProvisionOptions) => provisionKibana(options, components));
  withExamples(withProvisionOptions(kibana), EXAMPLES);
  withExamples(provision, EXAMPLES);
}

function withProvisionOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'the configuration (default: ./tailrace.yaml)')
    .option('--sink <name>', 'which sink, where there are several of type elasticsearch')
    .option('--dry-run', 'change nothing; exit code 1 when something would change')
    .option('--diff', 'show the difference as JSON, line by line');
}

async function provisionElasticsearch(options: ProvisionOptions, components: Components): Promise<void> {
  const config = await loadNamedConfig(options.config, components);
  const { sink } = elasticsearchSinkNamed(config, options.sink);
  const client = openElasticsearchSink(sink);
  try {
    await waitForElasticsearch(client, { clock: systemClock, timeoutMs: COMMAND_WAIT_MS });
    const changes = await planTemplates(client, elasticsearchTemplates(config, sink, components));
    // All is done before anything is said: who reads only the first lines of it must not leave it half done.
    for (const { kind, template } of changes)
      if (kind !== 'same' && options.dryRun !== true) await putTemplate(client, template);
    for (const { kind, template, before } of changes)
      report({ kind, what: `template ${template.name}`, before, after: template.body }, options);
    summarise(
      changes.map(({ kind }) => kind),
      options,
    );
  } finally {
    await client.close();
  }
}

async function provisionKibana(options: KibanaProvisionOptions, components: Components): Promise<void> {
  const { sink } = elasticsearchSinkNamed(await loadNamedConfig(options.config, components), options.sink);
  const kibana = new Kibana({ url: options.kibana, ...accessOf(sink) });
  await kibana.waitUntilReady(systemClock, COMMAND_WAIT_MS);
  const changes: (Change & { readonly object: SavedObject })[] = [];
  for (const object of kibanaObjects(sink.indexPrefix)) {
    const there = await kibana.read(object);
    const before = there === undefined ? undefined : comparable(there);
    const after = comparable(object);
    const kind = before === undefined ? 'create' : holds(before, after) ? 'same' : 'update';
    changes.push({ kind, what: `${object.type} ${object.id}`, before, after, object });
  }
  // All in one request, in the order of what they refer to.
  const changed = changes.filter(({ kind }) => kind !== 'same').map(({ object }) => object);
  if (changed.length > 0 && options.dryRun !== true) await kibana.import(changed);
  for (const change of changes) report(change, options);
  summarise(
    changes.map(({ kind }) => kind),
    options,
  );
  print(`dashboard  ${dashboardLink(options.kibana, DASHBOARD)}`);
  const everything = { query: '', from: 'now-1h', to: 'now' };
  const link = { ...everything, kibana: options.kibana, dataView: DOCUMENTS_DATA_VIEW, columns: ['message'] };
  print(`lines      ${discoverLink(link)}`);
}

interface Change {
  readonly kind: 'create' | 'update' | 'same';
  readonly what: string;
  /** JSON values. */
  readonly before: unknown;
  readonly after: unknown;
}

/** One line a thing, and below it the difference where that is wanted. */
function report({ kind, what, before, after }: Change, { dryRun, diff }: ProvisionOptions): void {
  const would = dryRun === true;
  const done = kind === 'create' ? (would ? 'would be made' : 'made') : would ? 'would change' : 'changed';
  print(`${what}: ${kind === 'same' ? 'as it should be' : done}`);
  if (diff !== true || kind === 'same') return;
  const lines = unifiedDiff(before === undefined ? '' : prettyJson(before), prettyJson(after)).split('\n');
  print(lines.map((line) => `  ${escapeText(line)}`).join('\n'));
}

function summarise(kinds: readonly Change['kind'][], { dryRun }: ProvisionOptions): void {
  const changes = kinds.filter((kind) => kind !== 'same').length;
  if (changes === 0) return print('nothing to do');
  if (dryRun !== true) return print(`${changes} changed`);
  print(`${changes} would change`);
  process.exitCode = EXIT.failed;
}

/** JSON with sorted keys, so that order makes no difference. */
function prettyJson(value: unknown): string {
  return `${JSON.stringify(value, (_key, inner: unknown) => sorted(inner), 2)}\n`;
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
