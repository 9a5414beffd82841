import type { Command } from 'commander';
import { type Config, filledTables } from '../config/config.ts';
import { shownPath } from '../config/load.ts';
import { type PlacedConfig, placeInFolder } from '../config/logs-folder.ts';
import { workerNotes } from '../config/workers.ts';
import { configOfLogs } from '../config/zero-config.ts';
import { systemClock } from '../lib/clock.ts';
import { OperatingError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { Components, Launch } from '../roles/definitions.ts';
import { runText } from '../roles/run-text.ts';
import { hasWarehouse } from '../roles/sinks/duckdb.ts';
import { elasticsearchSinks } from '../roles/sinks/elasticsearch.ts';
import { type RunOptions, superviseRun } from '../roles/supervise.ts';
import { readableIdentifier } from '../sinks/duckdb/names.ts';
import { describeTable } from './check.ts';
import { commandName } from './command-name.ts';
import { loadNamedConfig } from './config-option.ts';
import { withExamples } from './examples.ts';
import { say } from './output.ts';
import { Progress } from './progress.ts';
import { checkEnd } from './run-end.ts';
import { programVersion } from './version.ts';

const EXAMPLES = `Examples:
  tailrace run access.log                  follow a log; format and tables are found out
  tailrace run --once access.log*          read what is there, print the tables, prove the count
  tailrace run                             all roles of ./tailrace.yaml, until stopped
  tailrace run web.yaml --once --json      for scripts: results as one JSON object
`;

const YAML_FILE = /\.ya?ml$/i;
const DEFAULT_DATA_DIR = './tailrace-data';

interface RunCommandOptions {
  readonly config?: string;
  readonly dataDir?: string;
  readonly once?: boolean;
  readonly close?: boolean;
  readonly json?: boolean;
  readonly maxFailures?: number;
}

export function registerRun(program: Command, launch: Launch): void {
  const command = program
    .command('run')
    .description('Runs all roles of one machine, by a configuration (YAML) or by log files named here.')
    .argument('[file...]', 'one configuration (.yaml), or log files (default: ./tailrace.yaml)')
    .option('-c, --config <file>', 'the configuration')
    .option('--data-dir <folder>', 'where everything is kept, with log files', DEFAULT_DATA_DIR)
    .option('--once', 'read what is there, print tables and audit, end')
    .option('--close', 'with --once: close the windows that are not over, since nothing will follow')
    .option('--json', 'with --once: the result as one JSON object')
    .option(
      '--max-failures <n>',
      'failures of one role in a row, without any work in between, before all end (12; 3 with --once)',
      wholeNumber,
    )
    .action(async (files: string[], options: RunCommandOptions) => {
      process.exitCode = await run(files, options, launch);
    });
  withExamples(command, EXAMPLES);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  throw usageError(`"${text}" is not a whole number`);
}

async function run(files: readonly string[], options: RunCommandOptions, launch: Launch): Promise<number> {
  const { components } = launch;
  const isJson = options.json === true;
  const runOptions: RunOptions = {
    isOnce: options.once === true,
    closesAll: options.close === true,
    failuresMax: options.maxFailures,
  };
  if (isJson && !runOptions.isOnce) throw usageError('--json needs --once: a run without end has no result');
  checkEnd(runOptions, 'tailrace run --help');
  const { config, others, remember, notes } = await configOf(files, options, components);
  const progress = openProgress();
  try {
    return await superviseRun(config, launch, runOptions, {
      version: programVersion(),
      notify: (event) => {
        if (event.type === 'progress') return progress.update(event.state, event.files, event.missing);
        progress.clear();
        say(runText(event));
      },
      announce: () => {
        remember();
        if (!isJson) announce(config, files, { others, notes, components });
      },
      // Both loaded only then: a run that follows has no use for a database client.
      showResults: async (dataDir, outcome) => {
        progress.clear();
        return (await import('./results.ts')).showResults(config, dataDir, { ...outcome, isJson, components });
      },
      ended: async (dataDir) => (await import('./unused-lines.ts')).sayUnusedLinesAtStop(config, dataDir),
    });
  } finally {
    progress.clear();
  }
}

function openProgress(): Progress {
  const { stderr } = process;
  return new Progress(systemClock, {
    isTTY: stderr.isTTY && process.env['TERM'] !== 'dumb',
    columns: stderr.columns ?? 80,
    write: (text) => void stderr.write(text),
  });
}

async function configOf(
  files: readonly string[],
  options: RunCommandOptions,
  components: Components,
): Promise<PlacedConfig & { readonly notes: readonly string[] }> {
  const [first, ...rest] = files;
  const yaml = files.find((file) => YAML_FILE.test(file));
  if (options.config !== undefined && first !== undefined)
    throw usageError('name a configuration or log files, not both');
  if (yaml !== undefined && rest.length > 0)
    throw usageError(`${yaml} is a configuration: name it alone, or log files alone`);
  if (first === undefined || yaml !== undefined)
    return {
      config: await loadNamedConfig(options.config ?? yaml, components, 'whole'),
      others: [],
      remember: () => undefined,
      notes: [],
    };
  const { config, notes } = configOfLogs(files, options.dataDir ?? DEFAULT_DATA_DIR, components);
  return { ...placeInFolder(config, components), notes };
}

function usageError(message: string): OperatingError {
  return new OperatingError(message, { code: 'USAGE', exitCode: 2, hint: 'tailrace run --help' });
}

/** What is being filled, and how to look at it. */
function announce(
  config: Config,
  files: readonly string[],
  {
    others,
    notes,
    components,
  }: { readonly others: readonly string[]; readonly notes: readonly string[]; readonly components: Components },
): void {
  const { streams, rollups, tables } = config.pipeline;
  const [stream] = config.inputs.map((input) => streams[input.stream]!);
  if (config.file === null && stream !== undefined)
    say(`${files.map(shownPath).join(', ')}: ${stream.codec.type} lines\n${clockText(stream.eventTime.field)}\n`);
  for (const note of notes) say(`note: ${note}`);
  for (const name of filledTables(config))
    say(`${describeTable(name, rollups[name]!, components, tables[name]?.input)}\n`);
  if (others.length > 0) say(`tables of other logs in this folder: ${others.join(', ')}\n`);
  for (const note of workerNotes(config)) say(`note: ${note}`);
  const question = questionFor(config);
  const how = question === undefined ? '' : `; ask it with\n  ${commandName()} ${question}`;
  say(`data in ${shownPath(config.dataDir)}${how}\n`);
}

/** In double quotes as a rule; what holds such quotes stands in single ones. */
function shellWord(text: string): string {
  return text.includes('"') ? `'${text}'` : `"${text}"`;
}

/** Which clock a made configuration took. */
function clockText(field: string): string {
  return field === 'read_at'
    ? 'event time: the moment of reading; no field looks like a time'
    : `event time: ${escapeText(field)}`;
}

/** What to type to see something of it; undefined where nothing is kept that this program shows. */
export function questionFor(config: Config): string | undefined {
  const { file, dataDir } = config;
  const [table] = filledTables(config);
  const where = file === null ? `--data-dir ${shownPath(dataDir)}` : `-c ${shownPath(file)}`;
  if (table !== undefined && hasWarehouse(config))
    return `sql ${where} ${shellWord(`from ${readableIdentifier(table)} order by window_start desc limit 10`)}`;
  const hasDocuments = elasticsearchSinks(config).some(({ sink }) => sink.documents.length > 0);
  return hasDocuments ? `search ${where}` : undefined;
}
