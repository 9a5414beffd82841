// Rows of sessions as an epoch holds them, each named by a number.
import type { RollupSpec } from '../../src/epoch/pipeline.ts';
import type { ColumnData, RowSet } from '../../src/epoch/table.ts';
import { TRAFFIC } from './epochs.ts';

export const SESSION_GAP_MS = 1000;
/** Under the name of `traffic`. */
export const SESSIONS: RollupSpec = {
  ...TRAFFIC,
  window: { type: 'session', gapMs: SESSION_GAP_MS, lengthMsMax: null },
};

export interface TestSession {
  readonly id: number;
  readonly lastMs: number;
}

const numbers = (values: readonly number[]): ColumnData => ({ kind: 'number', values: Float64Array.from(values) });
const words = (values: readonly number[]): ColumnData => ({ kind: 'word', values: Uint32Array.from(values) });
const flags = (values: readonly number[]): ColumnData => ({ kind: 'flag', values: Uint8Array.from(values) });

/** All have one key. */
function keysOf(length: number): readonly ColumnData[] {
  const offsets = Uint32Array.from({ length: length + 1 }, (_, i) => 2 * i);
  const path = {
    kind: 'string',
    offsets,
    bytes: Buffer.from('/a'.repeat(length)),
    nulls: new Uint8Array(length),
  } as const;
  return [path, numbers(Array.from({ length }, () => 200))];
}

export function sessionRows(...sessions: readonly TestSession[]): RowSet {
  const { length } = sessions;
  const all = (value: number): number[] => Array.from({ length }, () => value);
  const [ids, lasts] = [sessions.map(({ id }) => id), sessions.map(({ lastMs }) => lastMs)];
  const begin = [
    numbers(all(0)),
    numbers(lasts.map((lastMs) => lastMs + SESSION_GAP_MS)),
    words(all(0)),
    numbers(all(1)),
  ];
  const sums = [words(all(0)), words(all(0)), flags(all(0))];
  const own = [words(ids), words(all(0)), numbers(ids), numbers(all(0)), numbers(lasts), numbers(lasts)];
  const state = [1, 1, 0].map((value) => numbers(all(value)));
  const columns = [...begin, ...sums, ...own, ...keysOf(length), ...state];
  return { table: 'traffic', length, columns };
}

export function sessionIdentities(...ids: readonly number[]): RowSet {
  const none = ids.map(() => 0);
  return {
    table: 'traffic',
    length: ids.length,
    columns: [words(ids), words(none), flags(none), ...keysOf(ids.length)],
  };
}
