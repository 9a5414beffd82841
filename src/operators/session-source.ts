import { type KeyedHost, type KeyedSpec, LOOP_BEGIN, LOOP_END, keyedText } from './keyed-loop.ts';
import { isMutant } from '../lib/mutant.ts';
import type { AdmittedBatch } from './operator.ts';
import type { WindowTable } from './window-table.ts';

/** The part of the operator the generated loop calls, for what happens once a session, not once a line. */
export interface SessionHost extends KeyedHost {
  readonly table: WindowTable;
  /** No session ends before this watermark. */
  readonly nextMs: number;
  /** Admitted lines before this batch. */
  born: number;
  /** Largest event time of the sessions that are open. */
  lastEventMs: number;
  /** Ends what is due at a watermark. */
  fire(watermarkMs: number): void;
  /** A line before the rollup's first moment. */
  beforeRollup(admitted: AdmittedBatch, line: number): void;
  /**
   * Finds the session of a line that is not plainly one more of the one session its key has: joins some, or begins one, or calls the line
   * late. `head` is the first row of the key, or negative; `born` the line's number. Returns its row, or a negative number for a late line.
   */
  place(admitted: AdmittedBatch, line: number, hash: number, head: number, born: number): number;
}

export interface SessionLoopSpec extends KeyedSpec {
  readonly gapMs: number;
  readonly lengthMsMax: number;
  readonly allowedLatenessMs: number;
  readonly sinceMs: number;
  /** Which accumulators hold the session's first and last event, and the next session of the same key. */
  readonly at: { readonly first: number; readonly last: number; readonly next: number };
}

export type SessionLoop = (host: SessionHost, admitted: AdmittedBatch) => void;

/**
 * Generates the loop that takes a batch's lines into sessions. The line that most lines are, one more of a session that is the only one of its key,
 * is handled here; every other one by `place`. test/support/plain-sessions.ts is the same rule in plain code.
 */
export function compileSessionLoop(spec: SessionLoopSpec, hasLarge = false): SessionLoop {
  const { gapMs, lengthMsMax, allowedLatenessMs, sinceMs, at } = spec;
  const keyed = keyedText(spec, hasLarge);
  const take = `${keyed.takeTable}
first = table.accumulators[${at.first}]; last = table.accumulators[${at.last}]; next = table.accumulators[${at.next}]; nextMs = host.nextMs;`;
  const isDue = isMutant('timers.after_batch')
    ? 'false'
    : `clock[i] >= ${isMutant('timers.known_before_batch') ? 'known' : 'nextMs'}`;
  const isShort =
    lengthMsMax === Infinity
      ? ''
      : `&& (t > last[row] ? t : last[row]) - (t < first[row] ? t : first[row]) <= ${lengthMsMax}`;
  const text = `
${LOOP_BEGIN}
${keyed.columns}
const table = host.table, clock = admitted.clockBeforeMs;
let ${keyed.locals}, first, last, next, nextMs, born = host.born;
${take}
const known = nextMs;
for (let i = 0; i < n; i++) {
  if (verdict[i] !== 0) continue;
  ${keyed.where}
  const t = time[i];
  born++;
  if (${isDue}) { host.fire(clock[i]); ${take} }
  ${sinceMs === -Infinity ? '' : `if (t < ${sinceMs}) { host.beforeRollup(admitted, i); continue; }`}
  ${keyed.hash}
  ${keyed.probe}
  if (row >= 0 && next[row] < 0 && t >= first[row] - ${gapMs} && t <= last[row] + ${gapMs} ${isShort}) {
    ${allowedLatenessMs > 0 ? `if (last[row] + ${gapMs - 1} <= clock[i]) table.revision[row] += 1;` : ''}
    if (t > last[row]) { last[row] = t; if (t > host.lastEventMs) host.lastEventMs = t; }
    if (t < first[row]) first[row] = t;
  } else {
    row = host.place(admitted, i, h, row, born);
    ${take}
    if (row < 0) continue;
  }
  ${keyed.count}
  ${keyed.measures}
}
host.born = born;
${LOOP_END}
//# sourceURL=generated/session-window.js`;
  // oxlint-disable-next-line typescript/no-implied-eval -- generated from numbers and the aggregates' own text
  return new Function('host', 'admitted', text) as SessionLoop;
}
