import { Backoff } from '../../lib/backoff.ts';
import { Cluster } from '../../broker/kafka/cluster.ts';
import { asSourceError, isDefect } from '../../broker/kafka/wire/codes.ts';
import { topicOfPath } from '../../record/partition-path.ts';
import { ProblemBoard, noRoom, reasonOf } from '../scan-problem.ts';
import type { ScanProblem } from '../source.ts';
import type { InputDeps, ReadOutcome, SourceInput, TopicsInput } from '../source-input.ts';
import { newEntry } from '../tracked-source.ts';
import { type FoundPartition, type PartitionOffsets, boundsOf, discover } from './discovery.ts';
import { Fetcher } from './fetcher.ts';
import { type Found, isOver, isWholeOf, unsettledOf } from './found-topics.ts';
import { OffsetCommits } from './offset-commits.ts';
import { PartitionFeed } from './partition-feed.ts';
import { beginOf } from './partition-begin.ts';
import { partitionIdentity } from './partition-name.ts';
import { PartitionSources } from './partition-sources.ts';
import { RecordFraming } from './record-framing.ts';
import { NotesSaid } from './topic-notes.ts';
import { TrackedPartition } from './tracked-partition.ts';

/** What fails for less than this is mended by asking again; what fails for longer is named, and its silence says nothing. */
const UNREADABLE_AFTER_MS = 5_000;
/** How long the agent waits at its start for what a cluster has. */
const START_MS_MAX = 5_000;
/** … and at its end to tell it how far it came. */
const COMMIT_MS_MAX = 2_000;
/** In once mode: a topic that was read before and that the cluster does not know for so long is gone. One answer does not say so. */
const GONE_ONCE_MS = 5_000;
const DISCOVERY_RETRY = { initialMs: 500, maxMs: 10_000, multiplier: 2 };

/** The moment of a scan, and whether it may make sources. */
interface Look {
  readonly nowMs: number;
  readonly wallMs: number;
  readonly admits: boolean;
}

/**
 * Topics that other programs write, as sources: one a partition. What they hold goes into blocks like the lines of a file, so all that
 * follows is the same: marks, ledger, late lines, dead letters, the proof. Questions to the cluster run beside the agent's rounds; a round
 * takes what has come.
 */
export class TopicInput implements SourceInput {
  readonly #options: TopicsInput;
  readonly #deps: InputDeps;
  readonly #cluster: Cluster;
  readonly #fetcher: Fetcher;
  readonly #commits: OffsetCommits;
  readonly #problems: ProblemBoard;
  readonly #notes: NotesSaid;
  /** Every source of this input that the registry knows. */
  readonly #sources: PartitionSources;
  /** Those that are read. */
  readonly #feeds = new Map<PartitionFeed, TrackedPartition>();
  #found: Found | undefined;
  #foundProblems: readonly ScanProblem[] = [];
  /** A discovery has ended that no scan has looked at. */
  #isNew = false;
  #hasMatched = false;
  #discovering: Promise<void> | undefined;
  #nextDiscoveryMs = 0;
  readonly #retry = new Backoff(DISCOVERY_RETRY);
  #failingSinceMs: number | undefined;
  /** Partitions have been met before, in this life or another: those that come now were made since, and all of them is new. */
  #hasBegun: boolean;
  #isStopped = false;

  constructor(options: TopicsInput, deps: InputDeps, sources: readonly TrackedPartition[]) {
    this.#options = options;
    this.#deps = deps;
    this.#problems = new ProblemBoard(deps.notify);
    this.#notes = new NotesSaid(deps.notify);
    const { isolation } = options;
    this.#cluster = new Cluster(options.client, asSourceError);
    this.#fetcher = new Fetcher({
      cluster: this.#cluster,
      clock: deps.clock,
      isolation,
      lingerMs: deps.limits.lingerMs,
      onAnswer: deps.wake,
      onFailure: (feed) => this.#failed(feed),
      onOutOfRange: (feed) => void this.#findPlace(feed),
    });
    this.#commits = new OffsetCommits(this.#cluster, options.group, (error) => {
      const hint = 'boards of that cluster do not see how far it is read; nothing else is missing';
      this.#missed({ path: `group ${options.group}` }, 0, reasonOf(error), hint);
    });
    this.#sources = new PartitionSources(sources);
    this.#hasBegun = sources.length > 0;
    for (const source of sources) source.lastSeenMs = deps.clock.monotonicMs();
  }

  /** So that all partitions are announced before a line of any source is sent. */
  async start(): Promise<void> {
    const discovered = this.#discover();
    // A cluster that does not answer must not hold up what others have: its partitions are announced when it does.
    await (this.#deps.isOnce ? discovered : this.#within(START_MS_MAX, discovered));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    // For boards only: a cluster that does not answer must not keep the agent from its end.
    await this.#within(COMMIT_MS_MAX, this.#commits.last(this.#sources));
    this.#cluster.close();
    await this.#fetcher.stop();
    await this.#discovering;
  }

  /** Waits for `work`, but only so long. */
  async #within(ms: number, work: Promise<void>): Promise<void> {
    const done = new AbortController();
    await Promise.race([work.finally(() => done.abort()), this.#deps.clock.sleep(ms, done.signal)]);
  }

  readonly nextPollMs = Infinity;

  poll(): boolean {
    return false;
  }

  scan(nowMs: number, wallMs: number, admits: boolean): number {
    if (nowMs >= this.#nextDiscoveryMs && this.#discovering === undefined) void this.#discover();
    if (this.#options.group !== undefined) this.#commits.commitIfDue(this.#sources, nowMs);
    if (this.#found !== undefined) {
      // Once is once: what the first discovery found, even if it took more than one attempt.
      const look = { nowMs, wallMs, admits: admits || !this.#hasMatched };
      if (this.#isNew) this.#match(this.#found, look);
      this.#closeMissing(this.#found, nowMs);
    }
    this.#problems.show([...this.#foundProblems, ...this.#judge(nowMs)]);
    // Of a partition that is said to be at its end, this is known for the moment it was last asked.
    let seenMs = wallMs;
    for (const [feed, source] of this.#feeds) {
      if (!source.isUnreadable && feed.isAtEnd) seenMs = Math.min(seenMs, feed.askedMs);
    }
    return seenMs;
  }

  read(source: TrackedPartition, room: Buffer, _nowMs: number, readAtMs: number): ReadOutcome {
    const { feed } = source;
    if (feed === undefined) return 'nothing';
    const outcome = source.read(room, readAtMs);
    this.#fetcher.hasRead(feed);
    const lost = feed.takeLost();
    if (lost > 0) {
      source.possibleLossBytes += lost;
      this.#missed(source, lost, `damaged: ${reasonOf(feed.failure)}`, 'they are passed over');
    }
    if (outcome === 'replaced') {
      const reason = `offset ${source.ahead.position - 1} is another record than was read`;
      this.#missed(source, 1, reason, 'the topic lost its end');
      this.#replace(source, 1);
    }
    return outcome;
  }

  get unsettled(): string | undefined {
    return unsettledOf(this.#isNew ? undefined : this.#found, this.#foundProblems, this.#sources);
  }

  close(source: TrackedPartition): void {
    this.#detach(source);
  }

  isSettledAt(source: TrackedPartition): boolean {
    const { found } = this.#found ?? {};
    const partition = found?.get(source.path);
    return (
      this.#found === undefined ||
      (partition !== undefined && this.#sources.of(partition.name, source.path).includes(source))
    );
  }

  forget(source: TrackedPartition): void {
    this.#sources.forget(source);
  }

  async #discover(): Promise<void> {
    const { clock, wake } = this.#deps;
    const run = async (): Promise<void> => {
      try {
        const { partitions, problems, notes, unknown, unasked } = await discover(
          this.#cluster,
          this.#options,
          (path, { topicId }) => !this.#sources.at(path).some(({ feed }) => feed?.name.topicId === topicId),
        );
        const found = new Map(partitions.map((partition) => [partition.path, partition]));
        this.#found = { found, unknown, unasked };
        this.#foundProblems = problems;
        this.#notes.say(notes);
        this.#failingSinceMs = undefined;
        const isWhole = isWholeOf(this.#found, this.#sources);
        if (isWhole) this.#retry.reset();
        const { discoveryMs } = this.#options;
        const pauseMs = isWhole ? discoveryMs : Math.min(discoveryMs, this.#retry.next());
        this.#nextDiscoveryMs = clock.monotonicMs() + pauseMs;
        this.#isNew = true;
      } catch (error) {
        if (isDefect(error)) throw error;
        this.#failingSinceMs ??= clock.monotonicMs();
        this.#nextDiscoveryMs = clock.monotonicMs() + this.#retry.next();
        const hint = 'what it has waits there; it is asked again';
        this.#foundProblems = [
          { path: `kafka ${this.#options.client.brokers.join(',')}`, reason: reasonOf(error), hint },
        ];
      }
      this.#discovering = undefined;
      if (!this.#isStopped) wake();
    };
    this.#discovering = run();
    await this.#discovering;
  }

  /** Brings what was found and what is known together. */
  #match({ found, unknown, unasked }: Found, look: Look): void {
    const isFirst = !this.#hasBegun;
    if (found.size > 0) this.#hasBegun = true;
    this.#isNew = false;
    this.#hasMatched ||= unknown.size === 0 && unasked.size === 0;
    for (const partition of found.values()) {
      try {
        this.#place(partition, look, isFirst);
      } catch (error) {
        if (isDefect(error)) throw error;
        const hint = 'it waits';
        this.#foundProblems = [...this.#foundProblems, { path: partition.path, reason: reasonOf(error), hint }];
      }
    }
  }

  /** Nobody can say what was left of these: the cluster has them no more, or nobody asks for them. */
  #closeMissing({ found, unknown }: Found, nowMs: number): void {
    const { isOnce, limits } = this.#deps;
    const goneMs = isOnce ? Math.min(GONE_ONCE_MS, limits.missingMs) : limits.missingMs;
    for (const source of this.#sources) {
      if (isOver(source)) continue;
      if (found.has(source.path) || unknown.has(topicOfPath(source.path))) source.lastSeenMs = nowMs;
      else if (nowMs - source.lastSeenMs >= goneMs) {
        this.#detach(source);
        source.ending = 'missing';
      }
    }
  }

  #place({ name, path, leader, offsets }: FoundPartition, { nowMs, wallMs, admits }: Look, isFirst: boolean): void {
    const namesakes = this.#sources.at(path);
    const own = this.#sources.of(name, path);
    const known = own.at(-1);
    for (const source of namesakes) this.#endIfMadeAgain(source, own);
    for (const { feed } of own) this.#setLeader(feed, leader);
    if (offsets === undefined) return;
    // Besides the newest, a source that was rewound is read again to where it ended.
    for (const source of own) {
      const isOpen = source.closedBy === undefined && source.ending === undefined;
      if (isOpen && source.feed === undefined && (source === known || source.until !== Infinity))
        this.#attach(source, name, leader, offsets);
    }
    const hasEnded = known === undefined || known.closedBy !== undefined || known.ending === 'truncated';
    if (!admits || !hasEnded) return;
    const begin = beginOf(known, offsets, { isFirst: isFirst && namesakes.length === 0, hasId: name.topicId !== '' });
    if (begin.isOver || (this.#deps.isOnce && begin.origin >= offsets.end)) return;
    const source = this.#create(name, path, begin, wallMs, offsets);
    source.lastSeenMs = nowMs;
    this.#attach(source, name, leader, offsets);
  }

  /** A source whose topic was deleted, and made again under its name. */
  #endIfMadeAgain(source: TrackedPartition, own: readonly TrackedPartition[]): void {
    if (own.includes(source) || source.closedBy !== undefined || source.ending === 'truncated') return;
    const unread = Math.max(0, (source.feed?.end ?? 0) - source.ahead.position);
    if (unread > 0) this.#missed(source, unread, 'the topic was deleted and made again', 'what it had is gone');
    this.#replace(source, unread);
  }

  #setLeader(feed: PartitionFeed | undefined, leader: number): void {
    if (feed === undefined || feed.leader === leader) return;
    feed.leader = leader;
    this.#fetcher.refresh();
  }

  #create(
    name: FoundPartition['name'],
    path: string,
    { origin, tail }: { readonly origin: number; readonly tail: string },
    wallMs: number,
    offsets: PartitionOffsets,
  ): TrackedPartition {
    const { hasRoom, limits, agent, giveNumber, serve, notify } = this.#deps;
    if (!hasRoom()) throw noRoom(path, limits.sourcesMax);
    const { name: input, topic, lineBytesMax } = this.#options;
    const identity = partitionIdentity(name, origin);
    const entry = newEntry({ topic, input, kind: 'kafka', identity, origin, tail, path }, wallMs);
    const source = new TrackedPartition(agent, { ...entry, number: giveNumber() }, lineBytesMax);
    this.#sources.add(source);
    serve(source);
    notify({ type: 'source_found', source: source.id, path, sizeBytes: offsets.end - origin, origin });
    if (offsets.wanted !== undefined) {
      const hint = `it has offsets ${offsets.earliest} to ${offsets.end}`;
      this.#missed(source, 0, `offset ${offsets.wanted} is not there, reading begins at ${origin}`, hint);
    }
    return source;
  }

  #attach(source: TrackedPartition, name: FoundPartition['name'], leader: number, offsets: PartitionOffsets): void {
    const { envelope, isJson, lineBytesMax, tombstones } = this.#options;
    const { topic, partition } = name;
    source.isKeepingTombstones = tombstones === 'keep';
    source.isUnreadable = false;
    if (this.#deps.isOnce) source.limit = offsets.end;
    if (this.#deps.isOnce || source.until !== Infinity) source.ending ??= 'end';
    const feed = new PartitionFeed(name, leader, source.ahead.position);
    source.attach(feed, new RecordFraming({ envelope, isJson, lineBytesMax, topic, partition }));
    this.#feeds.set(feed, source);
    this.#fetcher.add(feed);
  }

  #detach(source: TrackedPartition): void {
    for (const [feed, owner] of this.#feeds) {
      if (owner !== source) continue;
      this.#feeds.delete(feed);
      this.#fetcher.remove(feed);
    }
    source.detach();
  }

  #replace(source: TrackedPartition, lost: number): void {
    this.#detach(source);
    source.endAsReplaced(lost);
    // What is there now is looked for at once.
    this.#nextDiscoveryMs = 0;
  }

  /** Says of every source whether it can be read now. */
  #judge(nowMs: number): ScanProblem[] {
    const isFailing = (sinceMs: number | undefined): boolean =>
      sinceMs !== undefined && nowMs - sinceMs >= UNREADABLE_AFTER_MS;
    const problems = new Map<string, ScanProblem>();
    for (const source of this.#sources) {
      if (source.closedBy !== undefined) continue;
      const { feed } = source;
      const wasUnreadable = source.isUnreadable;
      source.isUnreadable = isFailing(feed === undefined ? this.#failingSinceMs : feed.failingSinceMs);
      if (source.isUnreadable !== wasUnreadable) this.#deps.wake();
      if (!source.isUnreadable || feed === undefined) continue;
      // One line a topic, however many partitions it has.
      const path = `kafka://${feed.name.clusterId}/${feed.name.topic}`;
      const hint = 'what it has waits there; it is asked again';
      problems.set(path, { path, reason: reasonOf(feed.failure), hint });
    }
    return [...problems.values()];
  }

  /** Who leads it may be another now, and what it holds may be, too. */
  #failed(feed: PartitionFeed): void {
    this.#nextDiscoveryMs = Math.min(this.#nextDiscoveryMs, this.#deps.clock.monotonicMs());
    this.#feeds.get(feed)?.verifyAgain();
  }

  /** The offset that is wanted is not there: before the first, or behind the last. */
  async #findPlace(feed: PartitionFeed): Promise<void> {
    const { topic, partition } = feed.name;
    try {
      const { start: earliest, end } = await boundsOf(this.#cluster, feed.leader, topic, partition);
      const source = this.#feeds.get(feed);
      if (source === undefined) return;
      const { position } = source.ahead;
      if (end < position) {
        this.#missed(
          source,
          0,
          `it ends at ${end}, and was read up to ${position}`,
          'it lost its end: reading goes on there',
        );
        this.#replace(source, 0);
      } else if (earliest >= position) {
        const missed = source.passOver(earliest);
        const hint = 'its retention is too short for how long it was not read';
        if (missed > 0) this.#missed(source, missed, `its records before ${earliest} were deleted unread`, hint);
      } else {
        // It had lost its end and has grown since: only the record below the position says whether it is what was read.
        source.verifyAgain();
      }
      this.#fetcher.refresh();
    } catch (error) {
      if (isDefect(error)) throw error;
      feed.fail(error, this.#deps.clock.monotonicMs());
      await this.#deps.clock.sleep(DISCOVERY_RETRY.initialMs);
      this.#failed(feed);
      this.#fetcher.refresh();
    }
    this.#deps.wake();
  }

  #missed({ path }: { readonly path: string }, records: number, reason: string, hint: string): void {
    this.#deps.notify({ type: 'records_missed', path, records, reason, hint });
  }
}
