import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { AssignedPartition, SharedTopic } from '../../../src/broker/broker.ts';
import { type MemberClaim, shareOut } from '../../../src/broker/kafka/share-out.ts';
import { allPartitions } from '../../../src/broker/static-assignment.ts';

const topicsOf = (counts: readonly number[]): SharedTopic[] =>
  counts.map((partitions, index) => ({ topic: `t${index}`, partitions }));
const names = (partitions: readonly AssignedPartition[]): string[] =>
  partitions.map(({ topic, partition }) => `${topic}/${partition}`).toSorted();

/** A group in which some hold what they were given last, and members come, go, and claim what others have. */
class Group {
  readonly topics: readonly SharedTopic[];
  claims: MemberClaim[] = [];
  #generation = 0;
  #members = 0;

  constructor(counts: readonly number[]) {
    this.topics = topicsOf(counts);
  }

  join(held: readonly AssignedPartition[] = [], generation = 0): void {
    const member = `m${(this.#members++ * 7919) % 1000}`;
    this.claims.push({ member, topics: this.topics, held, generation });
  }

  share(): Map<string, AssignedPartition[]> {
    const shares = shareOut(this.claims);
    this.#generation++;
    this.claims = this.claims.map((claim) => ({
      ...claim,
      held: shares.get(claim.member)!,
      generation: this.#generation,
    }));
    return shares;
  }
}

const counts = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 });

test('every partition has one member, and shares differ by one at most, whatever was held before', () => {
  fc.assert(
    fc.property(counts, fc.array(fc.nat(100), { minLength: 1, maxLength: 8 }), fc.nat(), (sizes, seeds, salt) => {
      const group = new Group(sizes);
      const all = allPartitions(group.topics);
      for (const seed of seeds) {
        const held = all.filter((_, place) => (place * 31 + salt) % (seed + 1) === 0);
        group.join(held, seed % 3);
      }
      const shares = [...group.share().values()];
      expect(names(shares.flat())).toEqual(names(all));
      const lengths = shares.map(({ length }) => length);
      expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
    }),
  );
});

test('who joins or leaves moves no partition between others, and nothing moves when nothing happens', () => {
  const steps = fc.array(fc.record({ isJoin: fc.boolean(), at: fc.nat(20) }), { maxLength: 12 });
  fc.assert(
    fc.property(counts, steps, (sizes, todo) => {
      const group = new Group(sizes);
      group.join();
      group.share();
      for (const { isJoin, at } of todo) {
        if (isJoin) group.join();
        else if (group.claims.length > 1) group.claims.splice(at % group.claims.length, 1);
        const before = new Map(group.claims.map(({ member, held }) => [member, held]));
        const after = group.share();
        for (const [member, held] of before) {
          const mine = names(after.get(member)!);
          if (isJoin) expect(names(held)).toEqual(expect.arrayContaining(held.length === 0 ? [] : mine));
          else expect(mine).toEqual(expect.arrayContaining(names(held)));
        }
        expect(group.share()).toEqual(after);
      }
    }),
  );
});

test('a claim of an earlier generation gives way', () => {
  const topics = topicsOf([2]);
  const held = (partition: number): AssignedPartition[] => [{ topic: 't0', partition }];
  const shares = shareOut([
    { member: 'frozen', topics, held: held(0), generation: 3 },
    { member: 'successor', topics, held: held(0), generation: 4 },
  ]);
  expect(shares.get('successor')).toEqual(held(0));
  expect(shares.get('frozen')).toEqual(held(1));
});

test('a topic goes to those who know it', () => {
  const shares = shareOut([
    { member: 'new', topics: topicsOf([2, 2]), held: [], generation: 0 },
    { member: 'old', topics: topicsOf([2]), held: allPartitions(topicsOf([2])), generation: 1 },
  ]);
  expect(names(shares.get('old')!)).toEqual(['t0/0', 't0/1']);
  expect(names(shares.get('new')!)).toEqual(['t1/0', 't1/1']);
});
