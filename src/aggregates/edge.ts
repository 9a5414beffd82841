import { exactInteger } from '../lib/exact-integer.ts';
import { textOf } from '../lib/text.ts';
import type { FieldType } from '../record/batch.ts';
import { isStringType } from '../record/batch.ts';
import { type AggregateDefinition, NO_NUMBERS } from './aggregate.ts';
import { RowSlots, UNIT_BYTES } from './row-slots.ts';
import { type SketchResult, type SketchRows, damagedSketch, keptLength } from './sketch.ts';

/** Of longer texts the beginning is kept: a row must not grow with what a visitor sends. */
export const TEXT_BYTES_MAX = 1024;
const TIME_BYTES = 8;
/** Event time, value, and what that lacks of a whole number beyond 2^53. */
const NUMBER_BYTES = 24;
const LONG_MAX = 2 ** 63;
/** Of a `Date`. */
const TIME_MS_MAX = 8.64e15;

/**
 * `first` and `last`. A state is the event time of the value and the value: a number with its rest, or a text. Of values with one time the order
 * of the log decides, and between partitions their number: the lower one counts as earlier.
 */
export function edge(
  name: 'first' | 'last',
  word: string,
  examples: AggregateDefinition['examples'],
): AggregateDefinition {
  const of = name === 'first' ? 'arg_min_null' : 'arg_max_null';
  return {
    ...NO_NUMBERS,
    name,
    summary: `The ${word} value of a field by event time; NULL where no line had a value. Texts up to 1,024 bytes, the beginning of longer ones.`,
    argument: 'any',
    sketch: {
      rows: (type) => new EdgeRows(name, isStringType(type)),
      result: (state, type) => resultOf(name, state, type),
      valueType: (type) => type,
      sqlColumns: () => [
        { suffix: '_time', type: 'DOUBLE', of: { kind: 'text', of: (state) => timeText(name, state) } },
      ],
      mergedSql: ({ value, columns: [time], partition }) =>
        `${of}(${value}, { 't': ${time}, 'p': ${partition} }) FILTER (WHERE ${time} IS NOT NULL)`,
    },
    examples,
  };
}

class EdgeRows implements SketchRows {
  grownBytes = 0;
  readonly #name: 'first' | 'last';
  readonly #isText: boolean;
  readonly #slots = new RowSlots();
  /** Bytes of the states; 0 is none. */
  #lengths = new Uint32Array(0);

  constructor(name: 'first' | 'last', isText: boolean) {
    this.#name = name;
    this.#isText = isText;
  }

  get roomBytes(): number {
    return this.#slots.usedBytes;
  }

  grow(capacity: number): void {
    this.#slots.growRows(capacity);
    const lengths = new Uint32Array(capacity);
    lengths.set(this.#lengths);
    this.#lengths = lengths;
  }

  addNumber(row: number, value: number, rest: number, timeMs: number): void {
    if (!this.#isNext(row, timeMs)) return;
    const at = this.#room(row, NUMBER_BYTES) / UNIT_BYTES;
    const { doubles } = this.#slots;
    doubles[at] = timeMs;
    doubles[at + 1] = value;
    doubles[at + 2] = rest;
  }

  addText(row: number, bytes: Uint8Array, _view: DataView, at: number, length: number, timeMs: number): void {
    if (!this.#isNext(row, timeMs)) return;
    const kept = keptLength(bytes, at, length, TEXT_BYTES_MAX);
    const start = this.#room(row, TIME_BYTES + kept);
    const { doubles, bytes: room } = this.#slots;
    doubles[start / UNIT_BYTES] = timeMs;
    for (let i = 0; i < kept; i++) room[start + TIME_BYTES + i] = bytes[at + i]!;
  }

  merge(row: number, state: Uint8Array): void {
    if (state.length === 0) return;
    const timeMs = timeOf(this.#name, state);
    const isSized = this.#isText ? state.length <= TIME_BYTES + TEXT_BYTES_MAX : state.length === NUMBER_BYTES;
    if (!isSized) throw damagedSketch(this.#name, `${state.length} bytes`);
    if (!this.#isNext(row, timeMs)) return;
    const at = this.#room(row, state.length);
    this.#slots.bytes.set(state, at);
  }

  encode(row: number): Uint8Array {
    const start = this.#slots.starts[row]! * UNIT_BYTES;
    return this.#slots.bytes.subarray(start, start + this.#lengths[row]!);
  }

  sizeOf(row: number): number {
    return this.#lengths[row]!;
  }

  clear(row: number): void {
    this.#slots.release(row);
    this.#lengths[row] = 0;
  }

  #isNext(row: number, timeMs: number): boolean {
    if (this.#lengths[row] === 0) return true;
    const knownMs = this.#slots.doubles[this.#slots.starts[row]!]!;
    return this.#name === 'first' ? timeMs < knownMs : timeMs >= knownMs;
  }

  /** Makes room for a state; returns where it begins, in bytes. */
  #room(row: number, length: number): number {
    const known = this.#lengths[row]!;
    if (length > this.#slots.unitsOf(row) * UNIT_BYTES) this.#slots.allot(row, length);
    if (length > known) this.grownBytes += length - known;
    this.#lengths[row] = length;
    return this.#slots.starts[row]! * UNIT_BYTES;
  }
}

function timeOf(name: string, state: Uint8Array): number {
  const timeMs = state.length < TIME_BYTES ? Number.NaN : viewOf(state).getFloat64(0, true);
  if (!Number.isFinite(timeMs)) throw damagedSketch(name, `${state.length} bytes, without a time`);
  return timeMs;
}

function timeText(name: string, state: Uint8Array): string | null {
  return state.length === 0 ? null : String(timeOf(name, state));
}

function resultOf(name: string, state: Uint8Array, type: FieldType): SketchResult {
  if (state.length === 0) return null;
  timeOf(name, state);
  if (isStringType(type)) return textOf(state.subarray(TIME_BYTES));
  if (state.length !== NUMBER_BYTES) throw damagedSketch(name, `${state.length} bytes`);
  const view = viewOf(state);
  const [value, rest] = [view.getFloat64(TIME_BYTES, true), view.getFloat64(TIME_BYTES * 2, true)];
  const isWhole = Number.isInteger(value) && Number.isInteger(rest) && Math.abs(rest) <= 512;
  const isOfType =
    type === 'double' ||
    (type === 'date' ? Math.abs(value) <= TIME_MS_MAX : Math.abs(value) <= LONG_MAX && (isWhole || type === 'boolean'));
  if (Number.isNaN(value) || !(isOfType || Math.abs(value) === Infinity))
    throw damagedSketch(name, `a ${type} of ${value}`);
  return type === 'long' ? exactInteger(value + 0, rest) : value + 0;
}

function viewOf(state: Uint8Array): DataView {
  return new DataView(state.buffer, state.byteOffset, state.byteLength);
}
