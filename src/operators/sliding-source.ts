import { type KeyedHost, type KeyedSpec, LOOP_BEGIN, LOOP_END, type RolledUp, keyedText } from './keyed-loop.ts';
import type { AdmittedBatch } from './operator.ts';
import type { PaneTable } from './pane-table.ts';

/** The part of the operator the generated loop calls, for what happens once a pane, a window or a key, not once a line. */
export interface SlidingHost extends KeyedHost {
  /** Each line as often as windows have taken it. */
  readonly placed: RolledUp;
  /** No window ends before this watermark. */
  readonly nextMs: number;
  /** Ends the windows that are due at a watermark. */
  fire(watermarkMs: number): void;
  /** Start of the pane of an event time. */
  startOf(eventTimeMs: number): number;
  /** The pane that starts there; makes it if need be, for the windows that are open at the watermark. */
  paneAt(startMs: number, watermarkMs: number): PaneTable;
  /** The least watermark that ends the first window of the pane that starts there. */
  firstDeadlineMs(startMs: number): number;
  /** How many windows the pane is in. */
  windowsOf(startMs: number): number;
  /** All windows of the line are over. */
  late(admitted: AdmittedBatch, line: number, startMs: number): void;
  /** Some of them are, by the clock; returns how many are not. */
  missed(admitted: AdmittedBatch, line: number, startMs: number): number;
  /** A line before the rollup's first window. */
  beforeRollup(admitted: AdmittedBatch, line: number): void;
  insert(pane: PaneTable, admitted: AdmittedBatch, line: number, hash: number): number;
  /** A row of a pane has changed that ended windows had in them. */
  touch(pane: PaneTable, row: number): void;
}

export interface SlidingLoopSpec extends KeyedSpec {
  readonly paneMs: number;
  readonly sizeMs: number;
  readonly slideMs: number;
  readonly allowedLatenessMs: number;
  readonly sinceMs: number;
}

export type SlidingLoop = (host: SlidingHost, admitted: AdmittedBatch) => void;

/**
 * Generates the loop that takes a batch's lines into panes: that of tumbling windows, but that windows end between two lines. Until the watermark
 * reaches `guard` none ends, and the line's pane is in no window that has. What is placed is counted where the pane changes.
 */
export function compileSlidingLoop(spec: SlidingLoopSpec, hasLarge = false): SlidingLoop {
  const { paneMs, sizeMs, slideMs, allowedLatenessMs, sinceMs } = spec;
  const keyed = keyedText(spec, hasLarge);
  const place = `placed += windows * (rolled - from); placedA = (placedA + Math.imul(rolledA - fromA, windows)) | 0;
    placedB = (placedB + Math.imul(rolledB - fromB, windows)) | 0; from = rolled; fromA = rolledA; fromB = rolledB;`;
  const enter = `${place}
    start = host.startOf(t); end = start + ${paneMs}; table = null;
    firstMs = host.firstDeadlineMs(start); windows = host.windowsOf(start); guard = nextMs < firstMs ? nextMs : firstMs;`;
  const text = `
${LOOP_BEGIN}
${keyed.columns}
const clock = admitted.clockBeforeMs;
let ${keyed.locals};
let start = NaN, end = NaN, firstMs = NaN, windows = 0, table = null, nextMs = host.nextMs, guard = nextMs;
let placed = 0, placedA = 0, placedB = 0, from = 0, fromA = 0, fromB = 0;
for (let i = 0; i < n; i++) {
  if (verdict[i] !== 0) continue;
  ${keyed.where}
  const t = time[i];
  if (!(t >= start && t < end)) { ${enter} }
  ${sinceMs === -Infinity ? '' : `if (t < ${sinceMs}) { host.beforeRollup(admitted, i); continue; }`}
  let isPart = false;
  if (before[i] >= guard) {
    if (clock[i] >= nextMs) { host.fire(clock[i]); nextMs = host.nextMs; ${enter} }
    if (Math.floor(start / ${slideMs}) * ${slideMs} + ${sizeMs - 1 + allowedLatenessMs} <= before[i]) { host.late(admitted, i, start); continue; }
    if (firstMs <= clock[i]) {
      isPart = true;
      const less = windows - host.missed(admitted, i, start);
      placed -= less; placedA = (placedA - Math.imul(hashA[i], less)) | 0; placedB = (placedB - Math.imul(hashB[i], less)) | 0;
    }
  }
  if (table === null) { table = host.paneAt(start, clock[i]); nextMs = host.nextMs; guard = nextMs < firstMs ? nextMs : firstMs; ${keyed.takeTable} }
  ${keyed.hash}
  ${keyed.probe}
  if (row < 0) { row = host.insert(table, admitted, i, h); ${keyed.takeTable} }
  ${keyed.count}
  ${keyed.measures}
  if (isPart) host.touch(table, row);
}
${place}
host.placed.lines = placed; host.placed.a = placedA >>> 0; host.placed.b = placedB >>> 0;
${LOOP_END}
//# sourceURL=generated/sliding-window.js`;
  // oxlint-disable-next-line typescript/no-implied-eval -- generated from numbers and the aggregates' own text
  return new Function('host', 'admitted', text) as SlidingLoop;
}
