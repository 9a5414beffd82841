import { staticAssignment } from '../../src/broker/static-assignment.ts';
import { describeAssignmentContract } from './assignment.ts';

describeAssignmentContract(
  'static',
  () => ({
    topics: [
      { topic: 'b', partitions: 1 },
      { topic: 'a', partitions: 5 },
    ],
    worker: staticAssignment,
    close: () => Promise.resolve(),
  }),
  [],
);
