import { extreme } from './extreme.ts';

export const max = extreme('max', 'largest', [
  { values: [4, null, 1], result: 4 },
  { values: [null], result: null },
]);
