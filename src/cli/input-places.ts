import { shownPattern } from '../agent/sources/glob.ts';
import type { InputConfig } from '../config/config.ts';
import { shownPath } from '../config/load.ts';

/** What an entry of `sources` reads, for people: patterns of files, or topics and where they are. */
export function inputPlaces(input: InputConfig): string[] {
  if (input.type === 'file') return input.include.map((pattern) => shownPath(shownPattern(pattern)));
  const { topics, topicPattern, connection } = input;
  const names = [...topics, ...(topicPattern === undefined ? [] : [`/${topicPattern}/`])];
  return names.map((topic) => `topic ${topic} on ${connection.brokers.join(',')}`);
}

/** What may be said of an entry of `sources` of which nothing was read. */
export function nothingIn(input: InputConfig): string {
  if (input.type === 'file') return `no file matches ${inputPlaces(input).join(', ')}`;
  const { topics, topicPattern, connection, start } = input;
  // Records before that may well be there.
  const from = start.at === 'earliest' ? '' : ' after its starting point';
  const on = `on ${connection.brokers.join(',')}`;
  const matching = topicPattern === undefined ? [] : [`no topic that matches /${topicPattern}/ has a record${from}`];
  const named = topics.length === 0 ? [] : [`no record is in topic ${topics.join(', ')}${from}`];
  return `${[...named, ...matching].join(', ')} ${on}`;
}
