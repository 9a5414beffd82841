import type { InputConfig } from '../config/config.ts';
import { shownPath } from '../config/load.ts';

/** What an entry of `sources` reads, for people: patterns of files, or topics and where they are. */
export function inputPlaces(input: InputConfig): string[] {
  if (input.type === 'file') return input.include.map(shownPath);
  const { topics, topicPattern, connection } = input;
  const names = [...topics, ...(topicPattern === undefined ? [] : [`/${topicPattern}/`])];
  return names.map((topic) => `topic ${topic} on ${connection.brokers.join(',')}`);
}
