import type { Config } from '../config/config.ts';
import { type NamedElasticsearchSink, elasticsearchSinks } from '../roles/sinks/elasticsearch.ts';
import { suggestion } from '../config/nearest.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';

/**
 * How long a command that somebody waits for tries again before it says that Elasticsearch or Kibana is away: over a lost connection, and no
 * longer. Whoever starts a server waits until it is well before asking it, as `make up` does.
 */
export const COMMAND_WAIT_MS = 1000;

/** The Elasticsearch sink that a command means: the one it names, or the only one there is. */
export function elasticsearchSinkNamed(config: Config, named: string | undefined): NamedElasticsearchSink {
  const sinks = elasticsearchSinks(config);
  const refuse = (message: string, hint: string): OperatingError =>
    new OperatingError(message, { code: 'SINK_UNKNOWN', exitCode: EXIT.usage, hint });
  const [first, second] = sinks;
  if (first === undefined) {
    throw refuse('the configuration has no sink of type elasticsearch', 'add one under sinks, with its nodes');
  }
  const names = sinks.map(({ name }) => name);
  if (named === undefined) {
    if (second === undefined) return first;
    throw refuse(`there are several Elasticsearch sinks: ${names.join(', ')}`, 'say which with --sink');
  }
  const found = sinks.find(({ name }) => name === named);
  if (found !== undefined) return found;
  const hint = suggestion(named, names) ?? `its Elasticsearch sinks are ${names.join(', ')}`;
  throw refuse(`there is not an Elasticsearch sink "${named}"`, hint);
}
