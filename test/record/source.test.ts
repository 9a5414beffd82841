import { expect, test } from '@jest/globals';
import {
  EMPTY_TAIL,
  agentOf,
  isSourceId,
  lineHashSeeds,
  numberOf,
  partitionOf,
  sourceId,
  tailHash,
} from '../../src/record/source.ts';

test('an id is an agent and a number, whatever the agent is called', () => {
  for (const agent of ['6f1c2d3e-0000-4000-8000-000000000001', 'web/eu-1']) {
    const id = sourceId(agent, 12);
    expect([agentOf(id), numberOf(id), isSourceId(id)]).toEqual([agent, 12, true]);
  }
  expect(['', 'a', 'a/', '/1', 'a/b', 'a/-1', 'a/1.5', 'a/1 '].filter(isSourceId)).toEqual([]);
});

test('a source goes where Kafka takes its id as a key', () => {
  // toPositive(murmur2(key)) % partitions, by the vectors of Kafka's own test.
  expect(partitionOf('foobar', 1000)).toBe((-790332482 & 0x7fffffff) % 1000);
  expect(partitionOf('a-little-bit-long-string', 7)).toBe((-985981536 & 0x7fffffff) % 7);
  expect(partitionOf('anything', 1)).toBe(0);
});

test('a tail is the hash of the last 64 bytes and of nothing before them', () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
  expect(tailHash(bytes)).toBe(tailHash(bytes.subarray(36)));
  expect(tailHash(bytes)).not.toBe(tailHash(bytes.subarray(37)));
  expect(tailHash(new Uint8Array(0))).toBe(EMPTY_TAIL);
  expect(EMPTY_TAIL).toBe('e3b0c44298fc1c14');
});

test('the seeds of the two lanes are independent: sources that share one differ in the other', () => {
  const byA = new Map<number, number>();
  const pairs = new Set<string>();
  for (let number = 1; number <= 200_000; number++) {
    const [a, b] = lineHashSeeds(sourceId('6f1c2d3e-0000-4000-8000-000000000001', number));
    const before = byA.get(a);
    if (before !== undefined) pairs.add(before === b ? 'both' : 'only A');
    byA.set(a, b);
  }
  // As many share lane A as 32 bits give among so many: 4.7 pairs are expected.
  expect([...pairs]).toEqual(['only A']);
});
