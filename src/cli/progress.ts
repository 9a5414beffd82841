import type { Clock } from '../lib/clock.ts';
import { formatCount } from '../lib/units.ts';
import type { LogState } from '../roles/log-watch.ts';
import type { FileProgress } from '../roles/supervisor-channel.ts';

/** At most four times a second on a terminal, once in five seconds elsewhere. */
const TERMINAL_MS = 250;
const PLAIN_MS = 5000;

/** The rate is that of about the last five seconds. */
const RATE_MS = 5000;

export interface ProgressOutput {
  readonly isTTY: boolean;
  readonly columns: number;
  write(text: string): void;
}

/** One line about catching up: rewritten on a terminal, now and then a plain line elsewhere. */
export class Progress {
  readonly #clock: Clock;
  readonly #output: ProgressOutput;
  #shownAtMs = -Infinity;
  #isShown = false;
  readonly #marks: { atMs: number; lines: number }[] = [];

  constructor(clock: Clock, output: ProgressOutput) {
    this.#clock = clock;
    this.#output = output;
  }

  /** How long to wait between two updates. */
  get paceMs(): number {
    return this.#output.isTTY ? TERMINAL_MS : PLAIN_MS;
  }

  /** `missing`: what is waited for, said when nothing moves. */
  update(state: LogState, files: FileProgress | undefined, missing?: string): void {
    const nowMs = this.#clock.monotonicMs();
    this.#marks.push({ atMs: nowMs, lines: state.linesDecided });
    while (this.#marks.length > 2 && nowMs - this.#marks[0]!.atMs > RATE_MS) this.#marks.shift();
    if (nowMs - this.#shownAtMs < this.paceMs) return;
    // A plain line at once would only say zero.
    if (!this.#output.isTTY && this.#shownAtMs === -Infinity) {
      this.#shownAtMs = nowMs;
      return;
    }
    this.#shownAtMs = nowMs;
    const rate = this.#rate();
    const waits = missing === undefined || rate > 0 ? '' : `; waiting for ${missing}`;
    const line = `${describeProgress(state, files, rate)}${waits}`;
    if (!this.#output.isTTY) {
      this.#output.write(`${line}\n`);
      return;
    }
    this.#isShown = true;
    this.#output.write(`\r\u001b[2K${line.slice(0, Math.max(20, this.#output.columns - 1))}`);
  }

  /** Takes the line away: before other output, and at the end. */
  clear(): void {
    if (this.#isShown) this.#output.write('\r\u001b[2K');
    this.#isShown = false;
  }

  /** Lines a second. */
  #rate(): number {
    const first = this.#marks[0];
    const last = this.#marks.at(-1);
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0;
    return ((last.lines - first.lines) / (last.atMs - first.atMs)) * 1000;
  }
}

/** `1,204,000 lines, 310,000 lines/s, 40 % of the files, lag 12,000 lines, 6 s to go`. */
export function describeProgress(state: LogState, files: FileProgress | undefined, rate: number): string {
  const { linesSent, linesDecided } = state;
  const parts = [`${formatCount(linesDecided)} lines`, `${formatCount(rate)} lines/s`];
  if (files !== undefined && files.bytesKnown > 0 && files.bytesSent > 0) {
    const total = (linesSent / files.bytesSent) * files.bytesKnown;
    const share = total === 0 ? 1 : Math.min(1, linesDecided / total);
    parts.push(`${Math.floor(share * 100)} % of the files`, `lag ${formatCount(linesSent - linesDecided)} lines`);
    if (rate > 0 && total > linesDecided) parts.push(`${formatCount((total - linesDecided) / rate)} s to go`);
  } else parts.push(`lag ${formatCount(linesSent - linesDecided)} lines`);
  return parts.join(', ');
}
