import { edge } from './edge.ts';

export const last = edge('last', 'latest', [
  { values: [4, 1, null], result: 1 },
  { values: [null], result: null },
]);
