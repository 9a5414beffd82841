// Runs an operator over lines as a task would: batches, watermarks, checkpoints, and restarts from what the checkpoints held.
import type { AdmittedBatch, EpochDraft, Operator, OtherKey } from '../../src/operators/operator.ts';
import type { LateLine } from '../../src/epoch/epoch.ts';
import type { RowSet } from '../../src/epoch/table.ts';
import { Batch, type FieldType, LINE_VERDICTS, VERDICT_MALFORMED, VERDICT_GOES_ON } from '../../src/record/batch.ts';
import { type LineSum, addSum, emptySum, laneA, laneB } from '../../src/record/line-id.ts';
import { lineHashSeeds } from '../../src/record/source.ts';
import { cellOf } from './interpreted-window.ts';
import { rollupRows } from './rollup-rows.ts';

export const RUN_SOURCE = 'agent/7';

export type Cell = string | Uint8Array | number | bigint | null;

export interface TestLine {
  readonly timeMs: number;
  /** One a field. */
  readonly cells: readonly Cell[];
  /** Its texts are not in the block as they are. */
  readonly isScratch?: boolean;
  readonly isBad?: boolean;
  /** The watermark just before the line; it rises from line to line. */
  readonly watermarkMs: number;
  /** A beat before this line moves the watermark: no batch goes over it. */
  readonly isAfterBeat?: boolean;
}

/** What happens behind a line. A `restart` is a checkpoint whose task dies after it. */
export const CUTS = ['none', 'batch', 'checkpoint', 'snapshot', 'restart'] as const;
export type Cut = (typeof CUTS)[number];

export interface RunResult {
  /** Rows of every checkpoint, each as text, sorted. */
  readonly checkpoints: string[][];
  /** The rows as a sink has them at the end: the last of each key and window. */
  readonly table: Map<string, string>;
  readonly late: LateLine[];
  readonly fates: Map<string, LineSum>;
  /** Lines without a row of their own, and the first of their keys. */
  readonly others: { lines: number; first: OtherKey | undefined };
  readonly fired: boolean[];
  readonly timers: number[];
}

export interface RunRequest {
  readonly create: () => Operator;
  readonly fields: readonly { readonly type: FieldType }[];
  /** How many key columns its rows have. */
  readonly keys: number;
  readonly lines: readonly TestLine[];
  /** Cut behind line i: `cuts[i % cuts.length]`. */
  readonly cuts: readonly Cut[];
  /** Where the watermark stands at the end. */
  readonly endMs: number;
}

export function runOperator({ create, fields, keys, lines, cuts, endMs }: RunRequest): RunResult {
  const result: RunResult = {
    checkpoints: [],
    table: new Map(),
    late: [],
    fates: new Map(),
    others: { lines: 0, first: undefined },
    fired: [],
    timers: [],
  };
  let operator = create();
  let since: RowSet[] = [];
  const out = {
    late: (line: LateLine) => void result.late.push(line),
    fate(consumer: string, fate: string, reason: string, count: number, a: number, b: number) {
      const name = `${consumer} ${fate} ${reason}`;
      const sum = result.fates.get(name) ?? emptySum();
      addSum(sum, { lines: count, a, b });
      result.fates.set(name, sum);
    },
    others(_consumer: string, count: number, first: OtherKey) {
      result.others.lines += count;
      result.others.first ??= first;
    },
  };
  const checkpoint = (cut: Cut, watermarkMs: number): void => {
    const rows = takeRows(operator, cut === 'snapshot');
    if (cut === 'snapshot') since = [];
    if (rows !== undefined) since.push(rows);
    const named = rows === undefined ? [] : namedRows(rows, keys);
    for (const [name, text] of named) result.table.set(name, text);
    result.checkpoints.push(named.map(([name, text]) => `${name} ${text}`).sort());
    if (cut !== 'restart') return;
    operator = create();
    for (const held of since) operator.restore([held], [], undefined);
    operator.onWatermark(watermarkMs);
  };
  let from = 0;
  for (const [i, line] of lines.entries()) {
    const next = lines[i + 1];
    const cut = cuts[i % cuts.length]!;
    if (cut === 'none' && next !== undefined && next.isAfterBeat !== true) continue;
    operator.process(admittedBatch(lines.slice(from, i + 1), fields, from), out);
    from = i + 1;
    // The watermark behind a batch is the one before the next line, unless a beat is what moves it.
    const behindMs =
      next === undefined ? line.watermarkMs : next.isAfterBeat === true ? line.watermarkMs : next.watermarkMs;
    result.fired.push(operator.onWatermark(behindMs));
    if (cut !== 'none' && cut !== 'batch') checkpoint(cut, behindMs);
    if (next?.isAfterBeat === true) result.fired.push(operator.onWatermark(next.watermarkMs));
    result.timers.push(operator.lastTimerMs());
  }
  checkpoint('checkpoint', endMs);
  result.fired.push(operator.onWatermark(endMs));
  checkpoint('checkpoint', endMs);
  return result;
}

/** A batch as a decoder and the admission make it. Its bytes lie at an odd place of a larger buffer, with other text between. */
export function admittedBatch(
  lines: readonly TestLine[],
  fields: readonly { readonly type: FieldType }[],
  firstLine = 0,
): AdmittedBatch {
  const batch = new Batch(
    fields.map(({ type }) => type),
    1,
  );
  const bytes = new TextArea();
  const scratch = new TextArea();
  batch.reset(new Uint8Array(0), lines.length);
  for (const [i, line] of lines.entries()) {
    batch.lineOffset[i] = offsetOf(firstLine + i);
    batch.eventTimeMs[i] = line.timeMs;
    batch.verdict[i] = line.isBad === true ? VERDICT_MALFORMED : VERDICT_GOES_ON;
    for (const [c, cell] of line.cells.entries()) {
      const column = batch.columns[c]!;
      if (column.kind === 'number') {
        if (typeof cell === 'bigint') Batch.setLarge(column, i, cell);
        else column.values[i] = (cell ?? Number.NaN) as number;
      } else if (cell === null) {
        column.start[i] = i % 2 === 0 ? 0 : -1;
        column.length[i] = -1;
      } else {
        const text = typeof cell === 'string' ? Buffer.from(cell) : (cell as Uint8Array);
        column.start[i] = line.isScratch === true ? -1 - scratch.add(text) : bytes.add(text);
        column.length[i] = text.length;
      }
    }
  }
  batch.bytes = bytes.finish();
  batch.scratch = scratch.finish();
  batch.scratchLength = batch.scratch.length;
  batch.length = lines.length;
  const [seedA, seedB] = lineHashSeeds(RUN_SOURCE);
  return {
    batch,
    source: RUN_SOURCE,
    path: '',
    readAtMs: 0,
    verdicts: LINE_VERDICTS,
    detailOf: () => '',
    watermarkBeforeMs: Float64Array.from(lines, (line) => line.watermarkMs),
    clockBeforeMs: Float64Array.from(lines, (line) => line.watermarkMs),
    hashA: Uint32Array.from(lines, (_, i) => laneA(seedA, offsetOf(firstLine + i))),
    hashB: Uint32Array.from(lines, (_, i) => laneB(seedB, offsetOf(firstLine + i))),
  };
}

/** What an operator that removes nothing and keeps nothing else gives for an epoch. */
export function takeRows(operator: Operator, isSnapshot: boolean): RowSet | undefined {
  const taken: RowSet[] = [];
  const draft: EpochDraft = {
    upsert: (rows) => void taken.push(rows),
    remove: () => {
      throw new Error('a row was removed');
    },
    state: () => {
      throw new Error('there is state');
    },
  };
  operator.take(isSnapshot, draft);
  if (taken.length > 1) throw new Error('there are two tables');
  return taken[0];
}

/** Every row as [what names it, what it says]; the first `keys` of its own columns are keys. */
export function namedRows(set: RowSet, keys: number): [string, string][] {
  const rows = rollupRows(set, keys);
  return Array.from({ length: rows.length }, (_, i) => [
    JSON.stringify([
      rows.windowStartMs[i],
      rows.windowEndMs[i],
      ...rows.keys.map((key) => cellOf(key, i)),
      ...(rows.isOther[i] === 1 ? ['other row'] : []),
    ]),
    [rows.lines, rows.sumA, rows.sumB, rows.revision, ...rows.accumulators]
      .map((column) => String(column[i]))
      .join(' '),
  ]);
}

export function offsetOf(line: number): number {
  return line * 100 + (line % 3) * 2 ** 33;
}

class TextArea {
  #bytes: number[] = [0x78];

  /** Adds a text and returns where it lies. */
  add(text: Uint8Array): number {
    const at = this.#bytes.length;
    this.#bytes.push(...text, 0x7c);
    return at;
  }

  finish(): Uint8Array {
    return Uint8Array.from([0x3c, ...this.#bytes, 0x3e]).subarray(1);
  }
}
