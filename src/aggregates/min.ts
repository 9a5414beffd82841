import { extreme } from './extreme.ts';

export const min = extreme('min', 'smallest', [
  { values: [4, null, 1], result: 1 },
  { values: [null], result: null },
]);
