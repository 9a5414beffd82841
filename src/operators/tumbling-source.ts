import { type KeyedHost, type KeyedSpec, LOOP_BEGIN, LOOP_END, keyedText } from './keyed-loop.ts';
import type { WindowTable } from './window-table.ts';
import type { AdmittedBatch } from './operator.ts';

/** The part of the operator the generated loop calls, for what happens once a window, a key or a late line. */
export interface LoopHost extends KeyedHost {
  /** Start of the window of an event time. */
  startOf(eventTimeMs: number): number;
  /** End of the window that starts there: asked where windows are not of one length. */
  endOf(startMs: number): number;
  /** The open table of the window that starts there; makes it if need be. */
  tableAt(startMs: number, endMs: number): WindowTable;
  late(admitted: AdmittedBatch, line: number, startMs: number, endMs: number): void;
  insert(table: WindowTable, admitted: AdmittedBatch, line: number, hash: number): number;
  /** A line before the rollup's first window. */
  beforeRollup(admitted: AdmittedBatch, line: number): void;
}

export interface LoopSpec extends KeyedSpec {
  /** Null: windows are not of one length. */
  readonly sizeMs: number | null;
  readonly allowedLatenessMs: number;
  readonly sinceMs: number;
}

export type Loop = (host: LoopHost, admitted: AdmittedBatch) => void;

/**
 * Generates the loop that takes a batch's lines into rows: window, lateness, key hash, probe, accumulators, in one pass with no
 * call and no allocation per line but for new keys, late lines and sketches. The text is made of numbers and of the aggregates' own text, never
 * of names or values from a configuration. With `hasLarge` it is the loop for batches with whole numbers beyond 2^53, which are rare and a
 * little slower: the other loop leaves out their second lane. test/support/interpreted-window.ts is the same rule in plain code.
 */
export function compileLoop(spec: LoopSpec, hasLarge = false): Loop {
  const keyed = keyedText(spec, hasLarge);
  const text = `
${LOOP_BEGIN}
${keyed.columns}
let ${keyed.locals};
let start = NaN, end = NaN, table = null;
for (let i = 0; i < n; i++) {
  if (verdict[i] !== 0) continue;
  ${keyed.where}
  const t = time[i];
  if (!(t >= start && t < end)) { start = host.startOf(t); end = ${spec.sizeMs === null ? 'host.endOf(start)' : `start + ${spec.sizeMs}`}; table = null; }
  ${spec.sinceMs === -Infinity ? '' : `if (start < ${spec.sinceMs}) { host.beforeRollup(admitted, i); continue; }`}
  if (end - 1 + ${spec.allowedLatenessMs} <= before[i]) { host.late(admitted, i, start, end); continue; }
  if (table === null) { table = host.tableAt(start, end); ${keyed.takeTable} }
  ${keyed.hash}
  ${keyed.probe}
  if (row < 0) { row = host.insert(table, admitted, i, h); ${keyed.takeTable} }
  ${keyed.count}
  ${spec.allowedLatenessMs > 0 ? 'if (end - 1 <= before[i]) table.revision[row] += 1;' : ''}
  ${keyed.measures}
}
${LOOP_END}
//# sourceURL=generated/tumbling-window.js`;
  // Fast path by construction: one function per rollup, all constants folded (docs/decisions/0004-generated-code.md).
  // oxlint-disable-next-line typescript/no-implied-eval -- generated from numbers and the aggregates' own text
  return new Function('host', 'admitted', text) as Loop;
}
