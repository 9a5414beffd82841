/**
 * What a reader's lag means: Burrow's rules (linkedin/Burrow, core/internal/evaluator/caching.go) with four of its holes closed:
 * - lag that stands still since nobody reports it: here it is counted anew at every look, from the log's end;
 * - reports faster than the end is looked up: cursors are read first and ends after them, so no cursor is past its end;
 * - lag that stays the same while the reader moves: one that is always an epoch behind keeps up, and does not fall behind;
 * - sparse reports: silence counts only while there is something to read, and a healthy reader may be silent for `stopMs`.
 */
export const LAG_STATUSES = ['OK', 'WARN', 'ERR', 'STOP', 'STALL', 'REWIND'] as const;
export type LagStatus = (typeof LAG_STATUSES)[number];

/** One look at one group in one partition. */
export interface LagSample {
  /** When it was taken, milliseconds. */
  readonly atMs: number;
  /** What the group reads next. */
  readonly offset: number;
  /** When the group said so. */
  readonly reportedAtMs: number;
  /** What it has not read, in a unit that counts work: lines, epochs. */
  readonly lag: number;
  /** When the log took the first of that; undefined where there is none, or where nobody knows. */
  readonly unreadSinceMs: number | undefined;
}

export interface LagRules {
  /** A lag up to this is none. */
  readonly allowedLag: number;
  /** A reader that has something to read may be silent this long: twice what a healthy one needs between two reports. */
  readonly stopMs: number;
  /** Reports that are remembered. */
  readonly windowReports: number;
  /** With fewer, nothing is said of stalling and growing. */
  readonly windowReportsMin: number;
}

export const LAG_RULES: LagRules = { allowedLag: 0, stopMs: 60_000, windowReports: 10, windowReportsMin: 3 };

export interface LagVerdict {
  readonly status: LagStatus;
  /** Share of the window that is filled: below 1 a reader was seen too shortly to be judged in full. */
  readonly completeness: number;
}

/** A report as it was first seen, with the lag at that moment and the least since, up to the next report. */
interface Sighting {
  readonly offset: number;
  readonly reportedAtMs: number;
  readonly lag: number;
  lagMin: number;
}

/** The last reports of one group in one partition. Bounded: samples that bring no new report take no room. */
export class LagWindow {
  readonly #rules: LagRules;
  readonly #sightings: Sighting[] = [];
  #latest: LagSample | undefined;

  constructor(rules: LagRules = LAG_RULES) {
    this.#rules = rules;
  }

  add(sample: LagSample): void {
    this.#latest = sample;
    const last = this.#sightings.at(-1);
    if (last !== undefined && last.offset === sample.offset && last.reportedAtMs === sample.reportedAtMs) {
      last.lagMin = Math.min(last.lagMin, sample.lag);
      return;
    }
    const { offset, reportedAtMs, lag } = sample;
    this.#sightings.push({ offset, reportedAtMs, lag, lagMin: lag });
    if (this.#sightings.length > this.#rules.windowReports) this.#sightings.shift();
  }

  verdict(): LagVerdict {
    const completeness = this.#sightings.length / this.#rules.windowReports;
    return { status: this.#latest === undefined ? 'OK' : this.#status(this.#latest), completeness };
  }

  /** In this order; the first that holds. */
  #status(latest: LagSample): LagStatus {
    const { allowedLag, windowReportsMin } = this.#rules;
    const reports = this.#sightings;
    if (latest.lag <= allowedLag) return 'OK';
    if (this.#hasStopped(latest)) return 'STOP';
    if (hasRewound(reports)) return 'REWIND';
    if (reports.length < windowReportsMin || reports.some(({ lagMin }) => lagMin <= allowedLag)) return 'OK';
    if (reports.every(({ offset }) => offset === latest.offset)) return 'STALL';
    const hasGrown = reports.at(-1)!.lag > reports[0]!.lag;
    return hasGrown && reports.every(({ lag }, i) => i === 0 || lag >= reports[i - 1]!.lag) ? 'WARN' : 'OK';
  }

  /** Silent for longer than its reports in the window took, counted from when it last had nothing to read. */
  #hasStopped({ atMs, reportedAtMs, unreadSinceMs }: LagSample): boolean {
    const silentMs = atMs - Math.max(reportedAtMs, unreadSinceMs ?? -Infinity);
    const spanMs = reportedAtMs - this.#sightings[0]!.reportedAtMs;
    return silentMs > Math.max(this.#rules.stopMs, spanMs);
  }
}

/** Evaluates looks at one group in one partition, oldest first. */
export function evaluateLag(samples: readonly LagSample[], rules: LagRules = LAG_RULES): LagVerdict {
  const window = new LagWindow(rules);
  for (const sample of samples) window.add(sample);
  return window.verdict();
}

/** Of a group: its worst partition, and whatever is worse than WARN is an error. */
export function groupStatus(statuses: readonly LagStatus[]): LagStatus {
  const worst = Math.max(0, ...statuses.map((status) => LAG_STATUSES.indexOf(status)));
  return LAG_STATUSES[Math.min(worst, LAG_STATUSES.indexOf('ERR'))]!;
}

/** A report fell behind the one before it, and none since has come back to where that one stood. */
function hasRewound(reports: readonly Sighting[]): boolean {
  return reports.some(
    ({ offset }, i) => reports.length > i + 1 && reports.slice(i + 1).every((later) => later.offset < offset),
  );
}
