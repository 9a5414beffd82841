import type { Assignment, SharedTopic } from '../../src/broker/broker.ts';

/** What not every adapter can do. */
export const ASSIGNMENT_ABILITIES = ['moves'] as const;
export type AssignmentAbility = (typeof ASSIGNMENT_ABILITIES)[number];

/** One set of workers of an adapter under test. */
export interface AssignmentHarness {
  /** The topics that are shared out; they are there. */
  readonly topics: readonly SharedTopic[];
  /** Worker `index` of `workers`. Where workers come and go the numbers only tell them apart. */
  worker(index: number, workers: number): Assignment;
  close(): Promise<void>;
}
