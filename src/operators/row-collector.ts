import type { ColumnData, RowSet } from '../epoch/table.ts';
import { ByteWriter } from '../lib/bytes.ts';
import type { WindowTable } from './window-table.ts';

const CAPACITY_FIRST = 256;

/** Gathers rows out of window tables into the columns of a rollup's table (rollup-schema.ts). */
export class RowCollector {
  readonly #table: string;
  readonly #numbers: Float64Array[];
  readonly #words: Uint32Array[];
  #isOther = new Uint8Array(CAPACITY_FIRST);
  readonly #keyNumbers: (Float64Array | undefined)[];
  /** Of columns with whole numbers beyond 2^53. */
  readonly #keyRests: (Float64Array | undefined)[];
  readonly #keyTexts: ({ offsets: Uint32Array; nulls: Uint8Array; bytes: ByteWriter } | undefined)[];
  #capacity = CAPACITY_FIRST;
  length = 0;

  constructor(table: string, keyKinds: readonly ('string' | 'number')[], accumulators: number) {
    const capacity = this.#capacity;
    this.#table = table;
    // Window start, window end, lines, then the accumulators.
    this.#numbers = Array.from({ length: 3 + accumulators }, () => new Float64Array(capacity));
    // Sum lanes and revision.
    this.#words = Array.from({ length: 3 }, () => new Uint32Array(capacity));
    this.#keyNumbers = keyKinds.map((kind) => (kind === 'number' ? new Float64Array(capacity) : undefined));
    this.#keyRests = keyKinds.map(() => undefined);
    this.#keyTexts = keyKinds.map((kind) =>
      kind === 'string'
        ? {
            offsets: new Uint32Array(capacity + 1),
            nulls: new Uint8Array(capacity),
            bytes: new ByteWriter(capacity * 16),
          }
        : undefined,
    );
  }

  /** Bytes of the keys' text. */
  get textBytes(): number {
    return this.#keyTexts.reduce((sum, text) => sum + (text?.bytes.length ?? 0), 0);
  }

  /** Copies one row. */
  add(table: WindowTable, row: number): void {
    if (this.length === this.#capacity) this.#grow();
    const at = this.length++;
    this.#numbers[0]![at] = table.startMs;
    this.#numbers[1]![at] = table.endMs;
    this.#numbers[2]![at] = table.lines[row]!;
    for (let a = 0; a < table.accumulators.length; a++) this.#numbers[3 + a]![at] = table.accumulators[a]![row]!;
    this.#words[0]![at] = table.sumA[row]!;
    this.#words[1]![at] = table.sumB[row]!;
    this.#words[2]![at] = table.revision[row]!;
    this.#isOther[at] = row === table.otherRow ? 1 : 0;
    for (let k = 0; k < table.keys.length; k++) {
      const key = table.keys[k]!;
      if (key.kind === 'number') {
        this.#keyNumbers[k]![at] = key.values[row]!;
        if (key.rest !== undefined) (this.#keyRests[k] ??= new Float64Array(this.#capacity))[at] = key.rest[row]!;
        continue;
      }
      const column = this.#keyTexts[k]!;
      const text = table.text(key, row);
      if (text === undefined) column.nulls[at] = 1;
      else column.bytes.append(text);
      column.offsets[at + 1] = column.bytes.length;
    }
  }

  /** The rows. The collector is not used after this. */
  finish(): RowSet {
    const n = this.length;
    const [start, end, lines, ...accumulators] = this.#numbers.map((values): ColumnData => ({
      kind: 'number',
      values: values.subarray(0, n),
    }));
    const [sumA, sumB, revision] = this.#words.map((values): ColumnData => ({
      kind: 'word',
      values: values.subarray(0, n),
    }));
    const isOther: ColumnData = { kind: 'flag', values: this.#isOther.subarray(0, n) };
    const keys = this.#keyTexts.map((text, k): ColumnData => {
      if (text === undefined) {
        const rest = this.#keyRests[k]?.subarray(0, n);
        return { kind: 'number', values: this.#keyNumbers[k]!.subarray(0, n), ...(rest === undefined ? {} : { rest }) };
      }
      return {
        kind: 'string',
        offsets: text.offsets.subarray(0, n + 1),
        bytes: text.bytes.view(),
        nulls: text.nulls.subarray(0, n),
      };
    });
    const columns = [start!, end!, revision!, lines!, sumA!, sumB!, isOther, ...keys, ...accumulators];
    return { table: this.#table, length: n, columns };
  }

  #grow(): void {
    this.#capacity *= 2;
    const wider = <T extends Float64Array | Uint32Array | Uint8Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    const capacity = this.#capacity;
    this.#numbers.forEach((values, i) => (this.#numbers[i] = wider(values, new Float64Array(capacity))));
    this.#words.forEach((values, i) => (this.#words[i] = wider(values, new Uint32Array(capacity))));
    this.#isOther = wider(this.#isOther, new Uint8Array(capacity));
    this.#keyNumbers.forEach((values, i) => {
      if (values !== undefined) this.#keyNumbers[i] = wider(values, new Float64Array(capacity));
    });
    this.#keyRests.forEach((values, i) => {
      if (values !== undefined) this.#keyRests[i] = wider(values, new Float64Array(capacity));
    });
    for (const text of this.#keyTexts) {
      if (text === undefined) continue;
      text.offsets = wider(text.offsets, new Uint32Array(capacity + 1));
      text.nulls = wider(text.nulls, new Uint8Array(capacity));
    }
  }
}
