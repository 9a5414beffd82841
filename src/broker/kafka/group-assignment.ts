import kafkajs from 'kafkajs';
import { z } from 'zod';
import { Backoff } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { EXIT, OperatingError, describeError } from '../../lib/errors.ts';
import type { AssignedPartition, Assignment, SharedTopic } from '../broker.ts';
import { Cluster } from './cluster.ts';
import { asOperatingError, isDenied, isTransient, protocolType, readAnswer } from './kafka-error.ts';
import { type JoinedGroup, type KafkaClientOptions, type WireBroker, joinGroup, namedMemberId } from './kafkajs.ts';
import { type MemberClaim, shareOut } from './share-out.ts';
import type { Connection } from './wire/connection.ts';

const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol;

export interface GroupAssignmentOptions {
  readonly clock: Clock;
  readonly client: KafkaClientOptions;
  /** The consumer group; nobody reports offsets under this name. */
  readonly group: string;
  /** A member that is silent so long is taken for dead. The least that brokers allow by default, `group.min.session.timeout.ms`. */
  readonly sessionMs?: number;
  /** How often a member says that it lives, and hears that others came or went. */
  readonly heartbeatMs?: number;
  /** One line for a person: the group cannot be reached, or can be again. */
  readonly notify?: (line: string) => void;
}

const SESSION_MS = 6_000;
const HEARTBEAT_MS = 1_000;
/** How long members that live may take to hear of a change; one that does not come by then is left out. Some heartbeats. */
const REBALANCE_MS = 10_000;
/** A goodbye that gets no answer is none: the session runs out. */
const LEAVE_MS = 2_000;
/** Shorter than that is a coordinator that moves. */
const AWAY_MS = 3_000;
const PAUSE = { initialMs: 200, maxMs: 2_000, multiplier: 2 };
/** Of all topics of a member: far beyond what workers can share with profit. */
const PARTITIONS_MAX = 10_000;
const PROTOCOL = 'tailrace-sticky';
const PROTOCOL_TYPE = 'consumer';

/** Requests of the group protocol, as kafkajs writes them. */
interface GroupBroker extends WireBroker {
  syncGroup(request: object): Promise<{ readonly memberAssignment: Buffer | null }>;
  heartbeat(request: object): Promise<unknown>;
  leaveGroup(request: object): Promise<unknown>;
}

/**
 * Workers of several hosts share the partitions as members of a consumer group: Kafka finds out who is there, and the member it calls the
 * leader computes who gets what. kafkajs' consumer would do it too, but only together with a fetch loop over the same partitions, which
 * the log has already (docs/decisions/0011-assignment.md). Tasks go on while the group agrees anew; only what moves is interrupted.
 */
export function groupAssignment(options: GroupAssignmentOptions): Assignment {
  return new GroupMember(options);
}

class GroupMember implements Assignment {
  readonly isFixed = false;
  readonly #options: Required<GroupAssignmentOptions>;
  #topics: readonly SharedTopic[] = [];
  #onAssigned: (assigned: readonly AssignedPartition[]) => void = () => undefined;
  /** As the coordinator named it; empty before, and when it has forgotten it. */
  #memberId = '';
  #generation = -1;
  #held: readonly AssignedPartition[] = [];
  readonly #cluster: Cluster;
  #connection: Connection | undefined;
  /** Those who ask whether what is assigned holds. */
  #waiting: (() => void)[] = [];

  constructor(options: GroupAssignmentOptions) {
    this.#options = { sessionMs: SESSION_MS, heartbeatMs: HEARTBEAT_MS, notify: () => undefined, ...options };
    this.#cluster = new Cluster(options.client);
  }

  async join(
    topics: readonly SharedTopic[],
    onAssigned: (assigned: readonly AssignedPartition[]) => void,
    signal: AbortSignal,
  ): Promise<void> {
    this.#topics = topics;
    this.#onAssigned = onAssigned;
    // A join is answered when all others have joined, too: who wants to leave does not wait for it.
    const hangUp = (): void => this.#hangUp();
    signal.addEventListener('abort', hangUp, { once: true });
    const away = new Away(this.#options);
    while (!signal.aborted) {
      try {
        const coordinator = await this.#coordinator();
        if (signal.aborted) break;
        await this.#agree(coordinator, signal);
        away.ended();
        await this.#stay(coordinator, signal);
      } catch (error) {
        if (signal.aborted) break;
        if (this.#mustJoinAgain(error)) continue;
        this.#hangUp();
        if (!isTransient(error) || isRefused(error)) throw refusedError(error, this.#options.group);
        await this.#options.clock.sleep(away.pauseMs(error), signal);
      }
    }
    signal.removeEventListener('abort', hangUp);
    await this.#leave();
    this.#cluster.close();
  }

  confirm(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      this.#waiting.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** A connection of its own: a join may wait long for its answer, and answers come in the order of requests. */
  async #coordinator(): Promise<Connection> {
    if (this.#connection?.isOpen !== true) {
      const address = await this.#cluster.coordinatorOf(this.#options.group, 'group');
      this.#connection = await this.#cluster.connections.open(address);
    }
    return this.#connection;
  }

  /** All members join, the leader shares out, and each gets its part. Until it is answered everybody goes on with what they have. */
  async #agree(coordinator: Connection, signal: AbortSignal): Promise<void> {
    const { group: groupId } = this.#options;
    const asked = this.#waiting.splice(0);
    try {
      const joined = await this.#joined(coordinator);
      const { memberId, generationId } = joined;
      this.#memberId = memberId;
      const isLeader = memberId === joined.leaderId;
      const groupAssignment = isLeader ? encodeShares(shareOut(joined.members.map(decodeClaim))) : [];
      const broker = coordinator.broker as GroupBroker;
      const { memberAssignment } = await broker.syncGroup({ groupId, generationId, memberId, groupAssignment });
      this.#generation = generationId;
      if (signal.aborted) return;
      this.#assign(readAnswer(coordinator.name, () => decodeShare(memberAssignment, this.#topics)));
      for (const resolve of asked) resolve();
    } catch (error) {
      this.#waiting.push(...asked);
      throw error;
    }
  }

  /** A new member is named by the first answer, joins by the second, and can leave in between. */
  async #joined(coordinator: Connection): Promise<JoinedGroup> {
    const { group: groupId, sessionMs } = this.#options;
    const join = (): Promise<JoinedGroup> =>
      joinGroup(coordinator.kafkajs, {
        groupId,
        sessionTimeout: sessionMs,
        rebalanceTimeout: REBALANCE_MS,
        memberId: this.#memberId,
        protocolType: PROTOCOL_TYPE,
        groupProtocols: [{ name: PROTOCOL, metadata: this.#claim() }],
      });
    try {
      return await join();
    } catch (error) {
      const named = namedMemberId(error);
      if (named === undefined) throw error;
      this.#memberId = named;
      return join();
    }
  }

  /** Says that it lives, until the answer is that the group agrees anew. */
  async #stay(coordinator: Connection, signal: AbortSignal): Promise<void> {
    const { clock, heartbeatMs, group: groupId } = this.#options;
    const broker = coordinator.broker as GroupBroker;
    for (;;) {
      await clock.sleep(heartbeatMs, signal);
      if (signal.aborted) return;
      const asked = this.#waiting.splice(0);
      try {
        await broker.heartbeat({ groupId, groupGenerationId: this.#generation, memberId: this.#memberId });
        for (const resolve of asked) resolve();
      } catch (error) {
        this.#waiting.push(...asked);
        throw error;
      }
    }
  }

  /** Whether the coordinator has answered that this membership is over, or changes. */
  #mustJoinAgain(error: unknown): boolean {
    const type = protocolType(error);
    if (type === 'REBALANCE_IN_PROGRESS') return true;
    if (type !== 'UNKNOWN_MEMBER_ID' && type !== 'ILLEGAL_GENERATION') return false;
    // It was taken for dead: others have its partitions, or will have them in a moment.
    if (type === 'UNKNOWN_MEMBER_ID') this.#memberId = '';
    this.#assign([]);
    return true;
  }

  #assign(assigned: readonly AssignedPartition[]): void {
    this.#held = assigned;
    this.#onAssigned(assigned);
  }

  #claim(): Buffer {
    const said: SaidByMember = {
      topics: this.#topics.map(({ topic, partitions }) => [topic, partitions]),
      held: this.#held.map(({ topic, partition }) => [topic, partition]),
      generation: this.#generation,
    };
    const topics = this.#topics.map(({ topic }) => topic);
    return MemberMetadata.encode({ version: 0, topics, userData: Buffer.from(JSON.stringify(said)) });
  }

  #hangUp(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** So that the others need not wait until its session runs out. Nobody waits for it longer than for that. */
  async #leave(): Promise<void> {
    if (this.#memberId === '') return this.#hangUp();
    const { clock, group: groupId } = this.#options;
    const said = this.#coordinator().then(({ broker }) =>
      (broker as GroupBroker).leaveGroup({ groupId, memberId: this.#memberId }),
    );
    const isDone = new AbortController();
    await Promise.race([said.catch(() => undefined), clock.sleep(LEAVE_MS, isDone.signal)]);
    isDone.abort();
    this.#memberId = '';
    this.#hangUp();
  }
}

/** Pauses between attempts, and one line when they last. */
class Away {
  readonly #options: Required<GroupAssignmentOptions>;
  readonly #pauses = new Backoff(PAUSE);
  #sinceMs: number | undefined;
  #isSaid = false;

  constructor(options: Required<GroupAssignmentOptions>) {
    this.#options = options;
  }

  pauseMs(error: unknown): number {
    const { clock, group, notify } = this.#options;
    this.#sinceMs ??= clock.monotonicMs();
    if (!this.#isSaid && clock.monotonicMs() - this.#sinceMs >= AWAY_MS) {
      this.#isSaid = true;
      notify(`group ${group}: no answer (${describeError(error)}): this worker keeps what it has`);
    }
    return this.#pauses.next();
  }

  ended(): void {
    if (this.#isSaid) this.#options.notify(`group ${this.#options.group} answers again`);
    this.#isSaid = false;
    this.#sinceMs = undefined;
    this.#pauses.reset();
  }
}

/** Goes with the join, as JSON: the leader shares out by what all members say. */
const COUNT = z.number().int().min(0);
const SAID_BY_MEMBER = z.object({
  topics: z
    .array(z.tuple([z.string(), COUNT]))
    .refine((topics) => topics.reduce((sum, [, partitions]) => sum + partitions, 0) <= PARTITIONS_MAX),
  held: z.array(z.tuple([z.string(), COUNT])).max(PARTITIONS_MAX),
  generation: z.number().int(),
});
type SaidByMember = z.infer<typeof SAID_BY_MEMBER>;

/** A member whose words cannot be read is of another program, or of a version to come: it gets nothing, and the others go on. */
function decodeClaim({ memberId, memberMetadata }: { memberId: string; memberMetadata: Buffer }): MemberClaim {
  return { member: memberId, ...(saidBy(memberMetadata) ?? { topics: [], held: [], generation: -1 }) };
}

function saidBy(memberMetadata: Buffer): Omit<MemberClaim, 'member'> | undefined {
  try {
    const said = SAID_BY_MEMBER.parse(JSON.parse(String(MemberMetadata.decode(memberMetadata)?.userData)));
    return {
      topics: said.topics.map(([topic, partitions]) => ({ topic, partitions })),
      held: said.held.map(([topic, partition]) => ({ topic, partition })),
      generation: said.generation,
    };
  } catch {
    return undefined;
  }
}

function encodeShares(shares: ReadonlyMap<string, readonly AssignedPartition[]>): object[] {
  return [...shares].map(([memberId, share]) => {
    const assignment: Record<string, number[]> = {};
    for (const { topic, partition } of share) (assignment[topic] ??= []).push(partition);
    const memberAssignment = MemberAssignment.encode({ version: 0, assignment, userData: Buffer.alloc(0) });
    return { memberId, memberAssignment };
  });
}

/** The leader is a member as any other: a partition that is not ours is not taken from it. Throws a RangeError. */
function decodeShare(memberAssignment: Buffer | null, topics: readonly SharedTopic[]): AssignedPartition[] {
  if (memberAssignment === null) throw new RangeError('a share that is missing');
  const assignment = MemberAssignment.decode(memberAssignment)?.assignment ?? {};
  return topics.flatMap(({ topic, partitions }) => {
    const given = Object.hasOwn(assignment, topic) ? new Set(assignment[topic]) : new Set<number>();
    return Array.from({ length: partitions }, (_, partition) => ({ topic, partition })).filter(({ partition }) =>
      given.has(partition),
    );
  });
}

/** The group is another program's, or the broker takes no session as short as ours. */
function isRefused(error: unknown): boolean {
  const type = protocolType(error) ?? '';
  return ['INCONSISTENT_GROUP_PROTOCOL', 'INVALID_SESSION_TIMEOUT', 'INVALID_GROUP_ID'].includes(type);
}

function refusedError(error: unknown, group: string): unknown {
  if (isDenied(error) || !isRefused(error)) return asOperatingError(error, `group ${group}`);
  return new OperatingError(`group ${group}: Kafka refuses this worker: ${describeError(error)}`, {
    code: 'GROUP_REFUSED',
    hint: 'let no other program use this group, and leave group.min.session.timeout.ms at 6000, or use engine.assignment: static',
    exitCode: EXIT.config,
    cause: error,
  });
}
