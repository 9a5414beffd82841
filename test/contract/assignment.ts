import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { AssignedPartition } from '../../src/broker/broker.ts';
import { allPartitions } from '../../src/broker/static-assignment.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { ASSIGNMENT_ABILITIES, type AssignmentAbility, type AssignmentHarness } from '../support/assignment-harness.ts';
import { until } from '../support/tailrace-process.ts';

/** A worker that takes part, and what it was told last. */
class Member {
  readonly #leaving = new AbortController();
  readonly #joined: Promise<void>;
  assigned: readonly string[] | undefined;
  changes = 0;
  failure: unknown;

  constructor(harness: AssignmentHarness, index: number, workers: number) {
    this.assignment = harness.worker(index, workers);
    this.#joined = this.assignment
      .join(
        harness.topics,
        (assigned) => {
          this.assigned = assigned.map(nameOf);
          this.changes++;
        },
        this.#leaving.signal,
      )
      .catch((error: unknown) => void (this.failure = error));
  }

  readonly assignment;

  async leave(): Promise<void> {
    this.#leaving.abort();
    await this.#joined;
  }
}

function nameOf({ topic, partition }: AssignedPartition): string {
  return `${topic}/${partition}`;
}

/** The contract of {@link Assignment}, over one adapter. */
export function describeAssignmentContract(
  name: string,
  makeHarness: () => AssignmentHarness | Promise<AssignmentHarness>,
  abilities: readonly AssignmentAbility[] = ASSIGNMENT_ABILITIES,
): void {
  describe(`${name}: contract of the assignment`, () => {
    let harness: AssignmentHarness;
    let members: Member[] = [];
    beforeEach(async () => void (harness = await makeHarness()));
    afterEach(async () => {
      await Promise.all(members.map((member) => member.leave()));
      members = [];
      await harness.close();
    });

    const join = (index: number, workers: number): Member => {
      const member = new Member(harness, index, workers);
      members.push(member);
      return member;
    };
    const all = (): string[] => allPartitions(harness.topics).map(nameOf);
    /** Waits until each partition has one worker, and no worker has two more than another. */
    const shared = (among: readonly Member[]): Promise<void> =>
      until(
        () => {
          const held = among.map(({ assigned = [] }) => assigned);
          const sizes = held.map(({ length }) => length);
          const isWhole = JSON.stringify(held.flat().toSorted()) === JSON.stringify(all().toSorted());
          return isWhole && Math.max(...sizes) - Math.min(...sizes) <= 1;
        },
        20_000,
        () => JSON.stringify(among.map(({ assigned, failure }) => [assigned, String(failure)])),
      );

    test('one worker has everything, in order', async () => {
      const only = join(0, 1);
      await shared([only]);
      expect(only.assigned).toEqual(all());
    });

    test.each([2, 3, 4])('%d workers share, each partition to one of them, as evenly as it goes', async (workers) => {
      await shared(Array.from({ length: workers }, (_, index) => join(index, workers)));
    });

    test('of more workers than partitions some have none, and know it', async () => {
      const workers = all().length + 2;
      const many = Array.from({ length: workers }, (_, index) => join(index, workers));
      await shared(many);
      await until(
        () => many.filter(({ assigned }) => assigned?.length === 0).length === 2,
        10_000,
        () => 'an idle worker was told nothing',
      );
    });

    test('what is assigned holds until it changes, and can be confirmed', async () => {
      const both = [join(0, 2), join(1, 2)];
      await shared(both);
      const { signal } = new AbortController();
      await Promise.all(both.map(({ assignment }) => assignment.confirm(signal)));
      const { assigned, changes } = both[0]!;
      await systemClock.sleep(300);
      await both[0]!.assignment.confirm(signal);
      expect(both[0]).toMatchObject({ assigned, changes, failure: undefined });
    });

    test('a worker that leaves is told nothing more', async () => {
      const only = join(0, 1);
      await shared([only]);
      await only.leave();
      const { changes, failure } = only;
      await systemClock.sleep(300);
      expect({ changes: only.changes, failure }).toEqual({ changes, failure: undefined });
    });

    test('one that leaves before it has anything ends quietly', async () => {
      const member = join(0, 1);
      await member.leave();
      expect(member.failure).toBe(undefined);
    });

    if (abilities.includes('moves')) describeMoves({ join, shared });
    else {
      test('is fixed', () => {
        expect(harness.worker(0, 2).isFixed).toBe(true);
      });
    }
  });
}

interface Given {
  readonly join: (index: number, workers: number) => Member;
  readonly shared: (among: readonly Member[]) => Promise<void>;
}

function describeMoves({ join, shared }: Given): void {
  test('a worker that joins gets its share, and no partition moves that need not', async () => {
    const first = join(0, 3);
    const second = join(1, 3);
    await shared([first, second]);
    const before = [first.assigned!, second.assigned!];
    const third = join(2, 3);
    await shared([first, second, third]);
    for (const [index, member] of [first, second].entries()) {
      expect(before[index]).toEqual(expect.arrayContaining([...member.assigned!]));
    }
    expect(first.assignment.isFixed).toBe(false);
  });

  test('a worker that leaves is replaced by the others, which keep what they have', async () => {
    const three = [join(0, 3), join(1, 3), join(2, 3)];
    await shared(three);
    const [leaver, ...rest] = three;
    const before = rest.map(({ assigned }) => assigned!);
    await leaver!.leave();
    await shared(rest);
    for (const [index, member] of rest.entries()) {
      expect(member.assigned).toEqual(expect.arrayContaining([...before[index]!]));
    }
  });

  test('workers that come and go one after the other always end in whole shares', async () => {
    let members = [join(0, 2), join(1, 2)];
    await shared(members);
    for (const index of [2, 3]) {
      members.push(join(index, 2));
      await members.shift()!.leave();
      await shared(members);
    }
    members = [];
  });
}
