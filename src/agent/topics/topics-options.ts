import type { KafkaClientOptions } from '../../broker/kafka/kafkajs.ts';
import type { Isolation } from '../../broker/kafka/wire/requests.ts';

/** Where reading of a topic begins that was not read before: one of its ends, a time, or offsets by topic and partition. */
export type StartPoint =
  | { readonly at: 'earliest' | 'latest' }
  | { readonly at: 'time'; readonly timeMs: number }
  | { readonly at: 'offsets'; readonly offsets: Readonly<Record<string, Readonly<Record<string, number>>>> };

/** What a `kafka` source reads and how, with every default filled in. */
export interface TopicsOptions {
  readonly client: KafkaClientOptions;
  readonly topics: readonly string[];
  /** A regular expression that a whole name must match. */
  readonly topicPattern?: string;
  /** Sources before this one whose lines go to the same stream: what their patterns match is theirs. */
  readonly earlierPatterns?: readonly { readonly source: string; readonly pattern: string }[];
  /** Topics that begin so are Tailrace's own: a pattern does not mean them. */
  readonly ownPrefix: string;
  readonly discoveryMs: number;
  readonly start: StartPoint;
  readonly isolation: Isolation;
  /** `json`: each line is an object of the record's key, headers, place, time and value. */
  readonly envelope: 'none' | 'json';
  /** What becomes of a record without a value. `keep`: an empty line, or `"value":null`. */
  readonly tombstones: 'keep' | 'skip';
  /** The stream's lines are JSON: newlines between its tokens become blanks. */
  readonly isJson: boolean;
  /** Acknowledged positions are committed for it, for others to see. */
  readonly group?: string;
}
