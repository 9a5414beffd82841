import { edge } from './edge.ts';

export const first = edge('first', 'earliest', [
  { values: [null, 4, 1], result: 4 },
  { values: [null], result: null },
]);
