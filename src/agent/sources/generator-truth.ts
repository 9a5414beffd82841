import { type LineObserver, STATUSES } from './generator.ts';

export interface TruthOptions {
  readonly windowMs: number;
  /** A line is late when its window ended this long before the newest line (semantics of the watermark). */
  readonly outOfOrdernessMs: number;
}

interface Cell {
  requests: number;
  /** NaN until a line has a number: a sum of nothing is NULL. */
  bytes: number;
  lateLines: number;
}

/**
 * What a rollup by `url.path` and `http.response.status_code` over the generated lines must hold, to the digit, and which
 * lines are late for it. One file read in order is assumed. Memory grows with the rows, which are the result.
 */
export class GeneratorTruth implements LineObserver {
  readonly #options: TruthOptions;
  readonly #windows = new Map<number, Map<number, Cell>>();
  #newestMs = -Infinity;
  #lines = 0;
  #lateLines = 0;

  constructor(options: TruthOptions) {
    this.#options = options;
  }

  line(eventTimeMs: number, path: number, status: number, bodyBytes: number): void {
    const { windowMs, outOfOrdernessMs } = this.#options;
    const windowStart = Math.floor(eventTimeMs / windowMs) * windowMs;
    const isLate = windowStart + windowMs <= this.#newestMs - outOfOrdernessMs;
    if (eventTimeMs > this.#newestMs) this.#newestMs = eventTimeMs;
    const cell = this.#cellOf(windowStart, path * STATUSES.length + status);
    this.#lines++;
    if (isLate) {
      this.#lateLines++;
      cell.lateLines++;
      return;
    }
    cell.requests++;
    if (!Number.isNaN(bodyBytes)) cell.bytes = Number.isNaN(cell.bytes) ? bodyBytes : cell.bytes + bodyBytes;
  }

  #cellOf(windowStart: number, key: number): Cell {
    let window = this.#windows.get(windowStart);
    if (window === undefined) this.#windows.set(windowStart, (window = new Map<number, Cell>()));
    let cell = window.get(key);
    if (cell === undefined) window.set(key, (cell = { requests: 0, bytes: Number.NaN, lateLines: 0 }));
    return cell;
  }

  /** The result as pieces of one JSON text: totals, `rows` without late lines, and `late` by the row each one missed. */
  *toJson(paths: readonly string[]): Iterable<string> {
    const head = {
      version: 1,
      lines: this.#lines,
      late_lines: this.#lateLines,
      window_ms: this.#options.windowMs,
      out_of_orderness_ms: this.#options.outOfOrdernessMs,
    };
    yield `${JSON.stringify(head).slice(0, -1)},"rows":[`;
    yield* this.#list(paths, ({ requests, bytes }) =>
      requests > 0 ? { requests, bytes: Number.isNaN(bytes) ? null : bytes } : undefined,
    );
    yield '],"late":[';
    yield* this.#list(paths, ({ lateLines }) => (lateLines > 0 ? { lines: lateLines } : undefined));
    yield ']}\n';
  }

  *#list(paths: readonly string[], valuesOf: (cell: Cell) => object | undefined): Iterable<string> {
    let separator = '\n';
    for (const windowStart of [...this.#windows.keys()].sort((a, b) => a - b)) {
      let text = '';
      const cells = [...this.#windows.get(windowStart)!].sort(([a], [b]) => a - b);
      for (const [key, cell] of cells) {
        const values = valuesOf(cell);
        if (values === undefined) continue;
        const url_path = paths[Math.floor(key / STATUSES.length)];
        const status_code = STATUSES[key % STATUSES.length];
        text += `${separator}${JSON.stringify({ window_start_ms: windowStart, url_path, status_code, ...values })}`;
        separator = ',\n';
      }
      if (text !== '') yield text;
    }
  }
}
