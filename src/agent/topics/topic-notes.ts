import { CODES } from '../../broker/kafka/wire/codes.ts';
import type { TopicMetadata } from '../../broker/kafka/wire/requests.ts';
import type { Notify } from '../events.ts';
import type { ScanProblem } from '../source.ts';
import { earlierOwner, patternFilter, topicFilter } from './partition-name.ts';
import type { TopicsOptions } from './topics-options.ts';

/** What the options say of topics that are there and what is not done: those of another source, and offsets of no partition. */
export function topicNotes(topics: readonly TopicMetadata[], options: TopicsOptions): ScanProblem[] {
  const notes = topics
    .filter(({ code }) => code === CODES.none)
    .flatMap((found) => [leftNote(found, options), offsetsNote(found, options)]);
  return [patternNote(topics, options), ...notes].filter((note) => note !== undefined);
}

function patternNote(topics: readonly TopicMetadata[], options: TopicsOptions): ScanProblem | undefined {
  const { topicPattern } = options;
  if (topicPattern === undefined || topics.some(({ topic }) => patternFilter(options)(topic))) return undefined;
  const hint = 'correct it, or give this user the right to describe them; they are looked for again';
  return { path: `topic_pattern ${topicPattern}`, reason: 'no topic matches it', hint };
}

function leftNote({ topic }: TopicMetadata, options: TopicsOptions): ScanProblem | undefined {
  const owner = earlierOwner(options)(topic);
  if (owner === undefined || options.topics.includes(topic) || !patternFilter(options)(topic)) return undefined;
  const reason = `the topic_pattern of sources.${owner} matches it, too`;
  return { path: `topic ${topic}`, reason, hint: 'it is left to that source: each record is one line' };
}

function offsetsNote({ topic, partitions }: TopicMetadata, options: TopicsOptions): ScanProblem | undefined {
  const { start } = options;
  if (start.at !== 'offsets' || !topicFilter(options)(topic)) return undefined;
  const missing = Object.keys(start.offsets[topic] ?? {}).filter(
    (wanted) => !partitions.some(({ partition }) => partition === Number(wanted)),
  );
  if (missing.length === 0) return undefined;
  const reason = `start has an offset of partition ${missing.join(', ')}, which it does not have: it has ${partitions.length}, counted from 0`;
  return { path: `topic ${topic}`, reason, hint: 'a partition that comes later is read from its begin' };
}

/** Says each note once. */
export class NotesSaid {
  readonly #notify: Notify;
  /** By path: as many as there are topics. */
  readonly #said = new Map<string, string>();

  constructor(notify: Notify) {
    this.#notify = notify;
  }

  say(notes: readonly ScanProblem[]): void {
    for (const note of notes) {
      if (this.#said.get(note.path) === note.reason) continue;
      this.#said.set(note.path, note.reason);
      this.#notify({ type: 'records_missed', records: 0, ...note });
    }
  }
}
