import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Config } from '../config/config.ts';
import type { ElasticsearchSinkConfig } from '../roles/sinks/elasticsearch.ts';
import { systemClock } from '../lib/clock.ts';
import { EXIT, OperatingError, describeError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { listenForStop } from '../lib/stop-signals.ts';
import { type DiscoverLink, discoverLink, kqlOf } from '../query/kibana-link.ts';
import { LINE_SEARCH_FIELDS, type SearchFields } from '../query/search-fields.ts';
import { compileSearch } from '../query/search-filter.ts';
import { lineJson, lineText } from '../query/search-lines.ts';
import type { SearchNode } from '../query/search-node.ts';
import { nothingFound } from '../query/search-nothing.ts';
import { parseSearch } from '../query/search-syntax.ts';
import { MOMENT_MS_MIN, parseMoment } from '../query/search-time.ts';
import { type FoundLine, follow, linesBefore, search } from '../query/search.ts';
import { openElasticsearchSink } from '../roles/sinks/elasticsearch-client.ts';
import { waitForElasticsearch } from '../sinks/elasticsearch/client.ts';
import { streamIndices } from '../sinks/elasticsearch/index-name.ts';
import { DEFAULT_KIBANA, DOCUMENTS_DATA_VIEW } from '../sinks/elasticsearch/kibana-names.ts';
import { searchPort } from '../sinks/elasticsearch/search-port.ts';
import { streamPlan } from '../transforms/stream-plan.ts';
import type { Components, Launch } from '../roles/definitions.ts';
import { loadNamedConfig } from './config-option.ts';
import { COMMAND_WAIT_MS, elasticsearchSinkNamed } from './elasticsearch-sinks.ts';
import { withExamples } from './examples.ts';
import { hasColours, painter, print, say } from './output.ts';

const EXAMPLES = `Examples:
  tailrace search 'status>=500 path:/api' --since 1h
  tailrace search '"connection reset" -level:debug' --since 2026-11-26T10:00 --until 2026-11-26T11:00
  tailrace search 'ip:192.0.2.0/24 (status:4xx OR status:5xx)' --follow
  tailrace search 'timeout' -n 1000 -o json | jq .message
  tailrace search -- '-status:200'                               a query that begins with -

A word is looked for in the line, "a phrase" with its order. field:value, =, !=, <, <=, >, >= compare a field: its full name, or status, method,
path, url, ip, client, user, agent, bytes, level, service, host, stream, file; message is the line. path:/api is everything below /api,
status:5xx is 500 to 599, field:* has any value. * is the only wildcard: anywhere in the value of a field, at the end of a word. Without it = and :
want the whole value of a field of text. Parts beside each other must all be found; - or NOT before a part, OR, AND and ( ) work as expected.
`;

const LINES_MAX = 10_000;

interface SearchCommandOptions {
  readonly config?: string;
  readonly sink?: string;
  readonly stream?: string;
  readonly since: string;
  readonly until: string;
  readonly lines: number;
  readonly follow?: boolean;
  readonly output: 'text' | 'json';
  readonly link?: string | true;
}

export function registerSearch(program: Command, { components }: Launch): void {
  const command = program
    .command('search')
    .description('Searches the lines in Elasticsearch, and shows the latest, oldest first.')
    .argument('[query]', 'what to look for; nothing: every line', '')
    .option('-c, --config <file>', 'the configuration (default: ./tailrace.yaml)')
    .option('--sink <name>', 'which sink, where there are several of type elasticsearch')
    .option('--stream <name>', 'lines of this stream only')
    .option('--since <when>', 'event time: 15m is so long ago, or 2026-11-26T10:00, UTC', '24h')
    .option('--until <when>', 'event time, likewise', 'now')
    .option('-n, --lines <count>', `at most so many lines, up to ${LINES_MAX}`, lineCount, 100)
    .option('-f, --follow', 'go on with every line that comes in')
    .addOption(
      new Option('-o, --output <form>', 'text, or json: one object a line').choices(['text', 'json']).default('text'),
    )
    .option(
      '--link [kibana]',
      `print the address of this search in Kibana (default: ${DEFAULT_KIBANA}), and nothing else`,
    )
    .action((query: string, options: SearchCommandOptions) => runSearch(query, options, components));
  withExamples(command, EXAMPLES);
}

function lineCount(text: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= LINES_MAX) return count;
  throw new InvalidArgumentError(`expects a whole number from 1 to ${LINES_MAX}`);
}

async function runSearch(query: string, options: SearchCommandOptions, components: Components): Promise<void> {
  const config = await loadNamedConfig(options.config, components);
  const { sink } = elasticsearchSinkNamed(config, options.sink);
  const streams = streamsOf(sink, options.stream);
  const fields = searchFields(config, streams, components);
  const node = parseSearch(query);
  const filter = compileSearch(query, node, fields);
  const nowMs = systemClock.nowMs();
  const range = {
    sinceMs: momentOf('--since', options.since, nowMs),
    untilMs: momentOf('--until', options.until, nowMs),
  };
  if (options.follow === true && options.until !== 'now') throw usage('--follow has no end: leave --until out');
  // What comes in from now on is something to follow.
  const isEmpty = options.follow === true ? range.sinceMs > range.untilMs : range.sinceMs >= range.untilMs;
  if (isEmpty)
    throw usage(`--since ${options.since} is not before --until ${options.until}: no line can be between them`);
  const searched = { ...options, ...range, nowMs };
  // A line may be a little ahead of this clock; `now` leaves none of them out.
  if (options.until === 'now') range.untilMs += 3_600_000;
  if (options.link !== undefined) return print(linkOf(node, fields, options, range));
  const client = openElasticsearchSink(sink);
  try {
    await waitForElasticsearch(client, { clock: systemClock, timeoutMs: COMMAND_WAIT_MS });
    const port = searchPort(client);
    const following = { ...streamIndices(sink.indexPrefix, sink.documents, streams), filter };
    const before = options.follow === true ? await linesBefore(port, following, systemClock) : undefined;
    const { lines, isCut } = await search(port, { ...following, linesMax: options.lines, ...range });
    show(lines, options);
    if (lines.length === 0) for (const line of nothingFound(node, fields, searched)) say(line);
    if (isCut) say('only the latest lines were looked through for the phrase: ask for a shorter time');
    if (before === undefined) return;
    const stop = listenForStop();
    const onAway = (error: OperatingError): void => say(`${escapeText(describeError(error))}; waiting for it`);
    for await (const more of follow(
      port,
      { ...following, before, shown: lines },
      { clock: systemClock, signal: stop.signal, onAway },
    )) {
      show(more, options);
    }
    process.exitCode = stop.exitCode();
  } finally {
    await client.close();
  }
}

function show(lines: readonly FoundLine[], { output }: SearchCommandOptions): void {
  if (lines.length === 0) return;
  const paint = painter(hasColours(process.stdout));
  print(lines.map((line) => (output === 'json' ? lineJson(line) : lineText(line, paint))).join('\n'));
}

function streamsOf({ documents }: ElasticsearchSinkConfig, named: string | undefined): readonly string[] {
  if (documents.length === 0) throw usage('the sink makes no documents of lines: there is nothing to search');
  if (named === undefined) return documents;
  if (documents.includes(named)) return [named];
  throw usage(`there are no documents of a stream "${named}": there are ${documents.join(', ')}`);
}

function searchFields({ pipeline }: Config, streams: readonly string[], components: Components): SearchFields {
  const all = streams.map((stream) => streamPlan(pipeline.streams[stream]!, components).fields);
  return Object.assign({}, LINE_SEARCH_FIELDS, ...all, { '@timestamp': 'date' }) as SearchFields;
}

function momentOf(option: string, text: string, nowMs: number): number {
  const timeMs = parseMoment(text, nowMs);
  if (timeMs === undefined)
    throw usage(`${option} "${text}" is not a time: write 15m, 24h, 2026-11-26 or 2026-11-26T10:05:00Z`);
  if (timeMs < MOMENT_MS_MIN) throw usage(`${option} "${text}" is before the year 1: write something such as 365d`);
  return timeMs;
}

function linkOf(
  node: SearchNode | undefined,
  fields: SearchFields,
  { since, until, link, stream }: SearchCommandOptions,
  range: { readonly sinceMs: number; readonly untilMs: number },
): string {
  const kql = [kqlOf(node, fields), stream === undefined ? '' : `event.dataset: "${stream}"`];
  // Absolute times: the address shows the same range whenever it is opened.
  const time = (text: string, timeMs: number): string => {
    if (text === 'now') return 'now';
    return /^-?\d+[smhd]$/.test(text) ? `now-${text.replace('-', '')}` : new Date(timeMs).toISOString();
  };
  const parts: DiscoverLink = {
    kibana: typeof link === 'string' ? link : DEFAULT_KIBANA,
    dataView: DOCUMENTS_DATA_VIEW,
    query: kql.filter((part) => part !== '').join(' and '),
    from: time(since, range.sinceMs),
    to: time(until, range.untilMs),
    columns: ['message'],
  };
  return discoverLink(parts);
}

function usage(message: string): OperatingError {
  return new OperatingError(message, { code: 'SEARCH_USAGE', exitCode: EXIT.usage });
}
