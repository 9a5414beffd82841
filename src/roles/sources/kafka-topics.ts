import type { Report, Section, SourceNeighbours } from '../../config/definitions.ts';
import { TOPIC_PREFIX } from '../../config/kafka-broker.ts';
import { suggestion } from '../../config/nearest.ts';
import { wayOf } from '../../config/rollups.ts';

/** What one source takes of a cluster. */
interface Reader {
  readonly name: string;
  readonly stream: unknown;
  readonly brokers: readonly string[];
  readonly topics: readonly string[];
  readonly pattern: string | undefined;
}

interface EarlierPattern {
  readonly source: string;
  readonly pattern: string;
}

/** What Tailrace writes for itself under its prefix; events are for others. */
const OWN_KINDS = ['raw', 'epochs', 'documents'];

/** Which topics the sources take, seen together: none twice into one stream, and nothing that comes out of this pipeline itself. */
export function checkKafkaTopics(
  sources: readonly (readonly [string, Section])[],
  neighbours: SourceNeighbours,
  report: Report,
): void {
  const readers = sources.map(([name, section]) => readerOf(name, section, neighbours.broker));
  const given = neighbours.broker?.['topic_prefix'];
  const ownPrefix = typeof given === 'string' ? given : TOPIC_PREFIX;
  for (const [at, reader] of readers.entries()) {
    checkTwice(reader, readers, ownPrefix, report);
    checkOwnTopics(reader, neighbours, ownPrefix, report);
    checkOffsets(reader, sources[at]![1]['start'], ownPrefix, report);
  }
}

/** A pattern that a whole name must match; undefined where it is none. */
export function topicPattern(pattern: unknown): RegExp | undefined {
  if (typeof pattern !== 'string') return undefined;
  try {
    return new RegExp(`^(?:${pattern})$`);
  } catch {
    return undefined;
  }
}

/** The patterns of sources before one of them that read the same cluster into the same stream: what they match is theirs. */
export function earlierPatterns(
  sources: Readonly<Record<string, unknown>>,
  name: string,
  ownBrokers: readonly string[],
): readonly EarlierPattern[] {
  const readers = Object.entries(sources)
    .filter(([, section]) => (section as Section)['type'] === 'kafka')
    .map(([of, section]) => readerOf(of, section as Section, { brokers: ownBrokers }));
  const at = readers.findIndex((reader) => reader.name === name);
  return readers
    .slice(0, at)
    .filter((earlier) => isSameRoad(earlier, readers[at]!))
    .flatMap(({ name: source, pattern }) => (pattern === undefined ? [] : [{ source, pattern }]));
}

function readerOf(name: string, section: Section, broker: Section | undefined): Reader {
  const { topics, topic_pattern: pattern, stream, brokers = broker?.['brokers'] } = section;
  return {
    name,
    stream,
    brokers: (Array.isArray(brokers) ? brokers : []).map((address) => addressOf(String(address))),
    // The schema reports what is not a name; places must stay.
    topics: (Array.isArray(topics) ? topics : []).map((topic) => (typeof topic === 'string' ? topic : '')),
    pattern: typeof pattern === 'string' ? pattern : undefined,
  };
}

/** This machine has several names. */
function addressOf(address: string): string {
  return address.toLowerCase().replace(/^(127\.0\.0\.1|\[::1\]):/, 'localhost:');
}

/** A broker is of one cluster, so a common address is a common cluster. */
function isSameCluster(left: readonly string[], right: readonly string[]): boolean {
  return left.some((address) => right.includes(address));
}

function isSameRoad(left: Reader, right: Reader): boolean {
  return left.stream === right.stream && isSameCluster(left.brokers, right.brokers);
}

/** Whether a source's pattern takes a topic, by the rule that the agent has: what begins with the own prefix is never meant. */
function takesByPattern({ pattern }: Reader, topic: string, ownPrefix: string): boolean {
  return topicPattern(pattern)?.test(topic) === true && !topic.startsWith(`${ownPrefix}.`);
}

function checkTwice(reader: Reader, all: readonly Reader[], ownPrefix: string, report: Report): void {
  const path = ['sources', reader.name];
  const rivals = all.slice(0, all.indexOf(reader)).filter((other) => isSameRoad(other, reader));
  const twice = 'each of its records would be two lines';
  for (const [i, topic] of reader.topics.entries()) {
    if (topic === '') continue;
    const isNamedBy = (other: Reader): boolean => other.topics.includes(topic);
    const first = reader.topics.indexOf(topic) < i ? reader : rivals.find(isNamedBy);
    if (first !== undefined) {
      const message = `sources.${first.name} reads the topic ${topic} already: ${twice}`;
      report([...path, 'topics', i], 'value', { code: 'CONFIG_VALUE', message, hint: 'name it once' });
      continue;
    }
    // Whichever of the two comes first in the file: the one with the name can be shown where it stands.
    const matching = all.find(
      (other) => other !== reader && isSameRoad(other, reader) && takesByPattern(other, topic, ownPrefix),
    );
    if (matching === undefined) continue;
    const message = `the topic_pattern of sources.${matching.name} matches the topic ${topic}, too: ${twice}`;
    const except = `(?!${topic.replaceAll('.', '\\.')}$)`;
    const hint = `leave it out here, or there: topic_pattern: '${except}${grouped(matching.pattern ?? '')}'`;
    report([...path, 'topics', i], 'value', { code: 'CONFIG_VALUE', message, hint });
  }
  const { pattern } = reader;
  const same = pattern === undefined ? undefined : rivals.find((other) => other.pattern === pattern);
  if (same === undefined) return;
  const message = `sources.${same.name} reads the topics of this pattern already: nothing is left for this one`;
  report([...path, 'topic_pattern'], 'value', { code: 'CONFIG_VALUE', message, hint: 'leave one of them out' });
}

function grouped(pattern: string): string {
  return pattern.includes('|') ? `(?:${pattern})` : pattern;
}

/** Lines that were read from there would come back there. */
function checkOwnTopics(reader: Reader, neighbours: SourceNeighbours, ownPrefix: string, report: Report): void {
  const { broker, rollups, streams, written } = neighbours;
  const path = ['sources', reader.name];
  if (broker !== undefined && isSameCluster(reader.brokers, readerOf('', {}, broker).brokers)) {
    for (const [i, topic] of reader.topics.entries()) {
      const kinds = OWN_KINDS.map((kind) => `${ownPrefix}.${kind}.`);
      if (topic !== `${ownPrefix}.cursors` && !kinds.some((kind) => topic.startsWith(kind))) continue;
      report([...path, 'topics', i], 'value', {
        code: 'CONFIG_VALUE',
        message: `${topic} is a topic that Tailrace writes for itself: what is read there would be written there again`,
        hint: 'read the topic of an events sink, or tables with tailrace sql',
      });
    }
  }
  for (const [name, { topic, brokers, has }] of written) {
    if (!isSameCluster(reader.brokers, readerOf('', { brokers }, broker).brokers)) continue;
    const fromHere = Object.keys(rollups ?? {}).find(
      (rollup) => has(rollup) && wayOf({ rollups, streams }, rollup).at(-1) === reader.stream,
    );
    if (fromHere === undefined) continue;
    const i = reader.topics.indexOf(topic);
    if (i < 0 && !takesByPattern(reader, topic, ownPrefix)) continue;
    report(i < 0 ? [...path, 'topic_pattern'] : [...path, 'topics', i], 'value', {
      code: 'CONFIG_VALUE',
      message: `sinks.${name} writes the rows of ${fromHere} to ${topic}: they would be counted in ${fromHere} again`,
      hint: 'give them a stream of their own, or leave the topic out',
    });
  }
}

/** An offset for a topic that is not read would say nothing. */
function checkOffsets(reader: Reader, start: unknown, ownPrefix: string, report: Report): void {
  if (typeof start !== 'object' || start === null || Array.isArray(start)) return;
  if (reader.pattern !== undefined && topicPattern(reader.pattern) === undefined) return;
  for (const topic of Object.keys(start)) {
    if (reader.topics.includes(topic) || takesByPattern(reader, topic, ownPrefix)) continue;
    const message = `start has offsets of the topic ${topic}, which this source does not read`;
    const hint =
      suggestion(
        topic,
        reader.topics.filter((name) => name !== ''),
      ) ?? 'name a topic that topic_pattern matches';
    report(['sources', reader.name, 'start', topic], 'key', { code: 'CONFIG_VALUE', message, hint });
  }
}
