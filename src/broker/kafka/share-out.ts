import type { AssignedPartition, SharedTopic } from '../broker.ts';
import { allPartitions } from '../static-assignment.ts';

/** What a member of the group says of itself when it joins. */
export interface MemberClaim {
  readonly member: string;
  /** The topics its pipeline has: members may have started with different configurations, while one replaces the other. */
  readonly topics: readonly SharedTopic[];
  /** What it holds now, since `generation` of the group. */
  readonly held: readonly AssignedPartition[];
  readonly generation: number;
}

/**
 * Shares all partitions out among the members: evenly, and so that a member keeps what it holds where that is even. Each move costs a fold of
 * the partition's epochs. Where two claim the same partition, the later generation knows better. Every leader computes the same from the same claims.
 */
export function shareOut(claims: readonly MemberClaim[]): Map<string, AssignedPartition[]> {
  const members = claims.toSorted((left, right) => (left.member < right.member ? -1 : 1));
  const shares = new Map(members.map(({ member }): [string, AssignedPartition[]] => [member, []]));
  const all = allPartitions(unionOf(members));
  const keeper = keepersOf(members);
  const quota = quotasOf(members, all.length, keeper);
  const free: AssignedPartition[] = [];
  for (const partition of all) {
    const member = keeper.get(keyOf(partition))?.member;
    const share = member === undefined ? undefined : shares.get(member);
    if (member !== undefined && share !== undefined && share.length < quota.get(member)!) share.push(partition);
    else free.push(partition);
  }
  for (const partition of free) {
    const able = members.filter(({ topics }) => topics.some((topic) => has(topic, partition)));
    const spare = ({ member }: MemberClaim): number => quota.get(member)! - shares.get(member)!.length;
    const [neediest] = able.toSorted((left, right) => spare(right) - spare(left));
    if (neediest !== undefined) shares.get(neediest.member)!.push(partition);
  }
  const place = new Map(all.map((partition, index) => [keyOf(partition), index]));
  for (const share of shares.values()) {
    share.sort((left, right) => place.get(keyOf(left))! - place.get(keyOf(right))!);
  }
  return shares;
}

function keyOf({ topic, partition }: AssignedPartition): string {
  return `${topic}/${partition}`;
}

function has({ topic, partitions }: SharedTopic, wanted: AssignedPartition): boolean {
  return topic === wanted.topic && wanted.partition < partitions;
}

function unionOf(members: readonly MemberClaim[]): SharedTopic[] {
  const partitions = new Map<string, number>();
  for (const shared of members.flatMap(({ topics }) => topics)) {
    partitions.set(shared.topic, Math.max(shared.partitions, partitions.get(shared.topic) ?? 0));
  }
  return [...partitions].map(([topic, count]) => ({ topic, partitions: count }));
}

/** Who holds each partition, by the latest claim. */
function keepersOf(members: readonly MemberClaim[]): Map<string, MemberClaim> {
  const keeper = new Map<string, MemberClaim>();
  for (const claim of members) {
    for (const partition of claim.held) {
      const other = keeper.get(keyOf(partition));
      const isAble = claim.topics.some((topic) => has(topic, partition));
      if (isAble && (other === undefined || other.generation < claim.generation)) keeper.set(keyOf(partition), claim);
    }
  }
  return keeper;
}

/** How many each may keep: the same number, and one more for those who hold most, as long as there are any. */
function quotasOf(
  members: readonly MemberClaim[],
  total: number,
  keeper: ReadonlyMap<string, MemberClaim>,
): Map<string, number> {
  const holds = new Map<string, number>();
  for (const { member } of keeper.values()) holds.set(member, (holds.get(member) ?? 0) + 1);
  const least = Math.floor(total / members.length);
  const more = total % members.length;
  const byHeld = members.toSorted((left, right) => (holds.get(right.member) ?? 0) - (holds.get(left.member) ?? 0));
  return new Map(byHeld.map(({ member }, place) => [member, least + (place < more ? 1 : 0)]));
}
