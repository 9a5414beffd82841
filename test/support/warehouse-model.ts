// What a warehouse must hold after a series of epochs, in plain JavaScript, and a generator of such series: a small engine that knows
// windows, watermarks and snapshots, and nothing of DuckDB.
import type { EpochBody, LedgerEntry } from '../../src/epoch/epoch.ts';
import { isFinal } from '../../src/epoch/finality.ts';
import { type TestRow, TRAFFIC, pipelineOf, rowsOf } from './epochs.ts';

export const MINUTE_MS = 60_000;
const KEYS: readonly TestRow['key'][] = [
  ['/a', 200],
  ['/b', 404],
  ['', 200],
  [null, 200],
  ['', null],
  [null, null],
  ['/a', null],
  ['ü\u0000x', -1],
];

/** One epoch as the generator was told to make it. */
export interface Step {
  /** Which keys of which open windows get lines. */
  readonly lines: readonly { readonly window: number; readonly key: number; readonly count: number }[];
  /** Windows the watermark passes in this epoch. */
  readonly windowsClosed: number;
  readonly isSnapshot: boolean;
  readonly lateLines: number;
}

interface ModelRow {
  readonly row: TestRow;
  isFinal: boolean;
}

/** Makes epochs and remembers what they mean. */
export class WarehouseModel {
  readonly #rows = new Map<string, ModelRow>();
  #firstOpenWindow = 0;
  #lines = 0;
  #late = 0;

  epoch(step: Step): Partial<EpochBody> {
    const changed = new Map<string, ModelRow>();
    for (const { window, key, count } of step.lines) this.#add(this.#firstOpenWindow + window, key, count, changed);
    const late = Array.from({ length: step.lateLines }, () => this.#lateLine());
    const stillOpen = [...this.#rows].filter(([, { isFinal: done }]) => !done);
    this.#firstOpenWindow += step.windowsClosed;
    const watermarkMs = this.#firstOpenWindow * MINUTE_MS - 1;
    for (const [, row] of stillOpen) row.isFinal = isFinal(row.row.endMs, 0, watermarkMs);
    // A snapshot has every open window; one that closed since the last epoch is in it only if it changed.
    const rows = step.isSnapshot ? stillOpen.filter(([id, row]) => !row.isFinal || changed.has(id)) : [...changed];
    return {
      upserts: [
        rowsOf(
          'traffic',
          rows.map(([, { row }]) => row),
          TRAFFIC,
        ),
      ],
      late,
      deadLetters: late.map(({ source, offset }) => ({
        source,
        offset,
        reason: 'malformed',
        path: '',
        detail: '',
        bytes: Buffer.from('x'),
        isCut: false,
        lengthBytes: 1,
      })),
      ledger: [this.#ledger('rolled_up', this.#lines), this.#ledger('late', this.#late)],
      watermarkMs,
      ...(step.isSnapshot ? { pipeline: pipelineOf(), fingerprints: { traffic: 'a' } } : {}),
    };
  }

  /** Rows of the view as `window start, path, status code, lines, bytes, status, revision`, sorted as text. */
  rows(): string[] {
    return [...this.#rows.values()]
      .map(({ row, isFinal: done }) => {
        const status = !done ? 'open' : row.revision === 0 ? 'final' : 'revised';
        return JSON.stringify([row.startMs, ...row.key, row.lines, row.accumulators[0], status, row.revision]);
      })
      .sort();
  }

  /** Lines in the ledger, late lines in the ledger, late lines, dead letters, all different. */
  counts(): number[] {
    return [this.#lines, this.#late, this.#late, this.#late];
  }

  #add(window: number, key: number, count: number, changed: Map<string, ModelRow>): void {
    const id = `${window} ${key % KEYS.length}`;
    const before = this.#rows.get(id);
    const lines = (before?.row.lines ?? 0) + count;
    const row: ModelRow = {
      row: {
        startMs: window * MINUTE_MS,
        endMs: (window + 1) * MINUTE_MS,
        key: KEYS[key % KEYS.length]!,
        accumulators: [lines * 10, lines],
        lines,
        revision: lines > 5 ? 1 : 0,
      },
      isFinal: false,
    };
    this.#lines += count;
    this.#rows.set(id, row);
    changed.set(id, row);
  }

  #lateLine(): EpochBody['late'][number] {
    this.#late++;
    return {
      source: 'a/1',
      offset: this.#late,
      eventTimeMs: 0,
      rollup: 'traffic',
      windowStartMs: 0,
      windowEndMs: 1,
      watermarkMs: 5,
      key: ['/a', null],
    };
  }

  #ledger(fate: LedgerEntry['fate'], lines: number): LedgerEntry {
    return { source: 'a/1', consumer: 'traffic', fate, reason: '', sum: { lines, a: lines, b: lines } };
  }
}

/** What a warehouse says, in the model's words. */
export const MODEL_ROWS_SQL = `SELECT epoch_ms(window_start), url_path, http_response_status_code, requests, bytes, status, revision FROM traffic`;
export const MODEL_COUNTS_SQL = `SELECT
  coalesce((SELECT sum(lines) FROM tailrace.ledger WHERE fate = 'rolled_up'), 0), coalesce((SELECT sum(lines) FROM tailrace.ledger WHERE fate = 'late'), 0),
  (SELECT count(*) FROM tailrace.late), (SELECT count(*) FROM tailrace.dead_letters)`;
