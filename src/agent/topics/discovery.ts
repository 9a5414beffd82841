import type { Cluster } from '../../broker/kafka/cluster.ts';
import { CODES, codeName } from '../../broker/kafka/wire/codes.ts';
import { type OffsetRange, type TopicMetadata, offsetsAt, rangesOf } from '../../broker/kafka/wire/requests.ts';
import { reasonOf } from '../scan-problem.ts';
import type { ScanProblem } from '../source.ts';
import { partitionPath } from '../../record/partition-path.ts';
import { type PartitionName, topicFilter } from './partition-name.ts';
import { topicNotes } from './topic-notes.ts';
import type { StartPoint, TopicsOptions } from './topics-options.ts';

/** A partition that is there. */
export interface FoundPartition {
  readonly name: PartitionName;
  readonly path: string;
  readonly leader: number;
  /** Undefined where its leader could not be asked. */
  readonly offsets: PartitionOffsets | undefined;
}

export interface PartitionOffsets {
  /** The first record that is still there. */
  readonly earliest: number;
  readonly end: number;
  /** Where the options say that reading begins. */
  readonly start: number;
  /** An offset was asked for that is not there: reading begins at the nearest. */
  readonly wanted?: number;
}

export interface DiscoveryResult {
  readonly partitions: readonly FoundPartition[];
  readonly problems: readonly ScanProblem[];
  /** Not a problem, but worth a line. */
  readonly notes: readonly ScanProblem[];
  /** Topics that are there, or may be, and of which nothing more could be told. */
  readonly unknown: ReadonlySet<string>;
  /** Paths of partitions whose leader could not be asked where they begin and end. */
  readonly unasked: ReadonlySet<string>;
}

const HINTS: Readonly<Record<number, string>> = {
  [CODES.unknownTopicOrPartition]: 'create it or correct the name; the agent goes on looking',
  [CODES.topicAuthorizationFailed]: 'give this user the right to describe and read it',
};

/**
 * Asks the cluster which partitions of an input's topics there are, and, of those for which `isWanted`, where they begin and end. Throws
 * an OperatingError if no broker answers.
 */
export async function discover(
  cluster: Cluster,
  options: TopicsOptions,
  isWanted: (path: string, name: PartitionName) => boolean,
): Promise<DiscoveryResult> {
  const isMeant = topicFilter(options);
  // Those with a name are asked for by it: a user may lack the right to list all.
  const { clusterId, topics } = await cluster.metadata(options.topicPattern === undefined ? options.topics : undefined);
  const meant = topics.filter(
    ({ topic, isInternal }) => isMeant(topic) && (!isInternal || options.topics.includes(topic)),
  );
  const problems: ScanProblem[] = meant.filter(({ code }) => code !== CODES.none).map((topic) => problemOf(topic));
  for (const topic of options.topics) {
    if (!meant.some((found) => found.topic === topic))
      problems.push(problemOf({ topic, code: CODES.unknownTopicOrPartition }));
  }
  const partitions: FoundPartition[] = [];
  const unasked = new Set<string>();
  for (const { topic, topicId, code, partitions: members } of meant) {
    if (code !== CODES.none) continue;
    const named = members.map(({ partition, leader }) => {
      const name = { clusterId, topic, topicId, partition };
      return { name, path: partitionPath(name), leader };
    });
    for (const [leader, led] of Map.groupBy(named, (member) => member.leader)) {
      const asked = led.filter(({ path, name }) => isWanted(path, name));
      const wanted = asked.map(({ name }) => name.partition);
      let offsets = new Map<number, PartitionOffsets>();
      try {
        if (wanted.length > 0) offsets = await offsetsOf(cluster, topic, leader, wanted, options);
      } catch (error) {
        for (const { path } of asked) unasked.add(path);
        const hint = 'it is asked again';
        problems.push({ path: `kafka://${clusterId}/${topic}`, reason: reasonOf(error), hint });
      }
      partitions.push(...led.map((member) => ({ ...member, offsets: offsets.get(member.name.partition) })));
    }
  }
  const unknown = meant.filter(({ code }) => code !== CODES.none && code !== CODES.unknownTopicOrPartition);
  const notes = topicNotes(topics, options);
  return { partitions, problems, notes, unknown: new Set(unknown.map(({ topic }) => topic)), unasked };
}

/** The first offset that is still there, and the end, of what is committed or not. */
export async function boundsOf(
  cluster: Cluster,
  leader: number,
  topic: string,
  partition: number,
): Promise<OffsetRange> {
  return (await rangesOf(await cluster.connectionTo(leader, 'ask'), topic, [partition])).get(partition)!;
}

async function offsetsOf(
  cluster: Cluster,
  topic: string,
  leader: number,
  partitions: readonly number[],
  { start, isolation }: TopicsOptions,
): Promise<Map<number, PartitionOffsets>> {
  const connection = await cluster.connectionTo(leader, 'ask');
  const ranges = await rangesOf(connection, topic, partitions, isolation);
  const atTime =
    start.at === 'time' ? await offsetsAt(connection, topic, partitions, start.timeMs, isolation) : undefined;
  return new Map(
    [...ranges].map(([partition, range]) => {
      const first = range.start;
      const end = Math.max(first, range.end);
      // No record is as young as that: reading begins with the next.
      const atOrAfter = atTime?.get(partition) ?? end;
      return [partition, { earliest: first, end, ...startOf(start, topic, partition, { first, end, atOrAfter }) }];
    }),
  );
}

function startOf(
  start: StartPoint,
  topic: string,
  partition: number,
  { first, end, atOrAfter }: { readonly first: number; readonly end: number; readonly atOrAfter: number },
): Pick<PartitionOffsets, 'start' | 'wanted'> {
  switch (start.at) {
    case 'earliest':
      return { start: first };
    case 'latest':
      return { start: end };
    case 'time':
      return { start: Math.max(first, atOrAfter) };
    case 'offsets': {
      const wanted = start.offsets[topic]?.[String(partition)];
      if (wanted === undefined) return { start: first };
      const nearest = Math.min(end, Math.max(first, wanted));
      return { start: nearest, ...(nearest === wanted ? {} : { wanted }) };
    }
  }
}

function problemOf({ topic, code }: Pick<TopicMetadata, 'topic' | 'code'>): ScanProblem {
  const reason = code === CODES.unknownTopicOrPartition ? 'no such topic' : codeName(code);
  return { path: `topic ${topic}`, reason, hint: HINTS[code] ?? 'it is asked again' };
}
