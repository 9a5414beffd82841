import { ByteReader, ByteWriter } from '../lib/bytes.ts';
import { exactInteger } from '../lib/exact-integer.ts';
import { textOf } from '../lib/text.ts';
import { type FieldType, isStringType } from '../record/batch.ts';
import { hashText } from './hyperloglog.ts';
import { type MergedNames, type SketchColumn, type SketchRows, bound, damagedSketch, keptLength } from './sketch.ts';

/**
 * Counts of the most frequent values, exact for up to 1,000 of them. With more, the less frequent half is dropped: its largest count is
 * subtracted from all that stay and added to `offset`. So a value occurred at least `count` and at most `count + offset` times (Misra, Gries, "Finding
 * repeated elements", 1982, which is Space-Saving of Metwally et al., 2005, seen from below; merged as by Agarwal et al., "Mergeable Summaries", 2012).
 * Only counts decide what is dropped, never the order in which equal ones came.
 */
export const VALUES_MAX = 1000;
const VALUES_KEPT = 500;
/** Of longer texts the beginning counts. */
const VALUE_BYTES_MAX = 256;
/** Of a number: the value, and what it lacks of a whole number beyond 2^53. */
const NUMBER_BYTES = 16;
const VALUES_FIRST = 4;
/** Memory of a row's six objects beside what they hold, as measured: most rows may have one value. */
const ROW_BYTES = 2400;
/** Of a value in a state, beside itself. */
const ENCODED_VALUE_BYTES = 6;
const ENCODED_HEAD_BYTES = 12;

/** The values of one row: open addressing over typed arrays. */
class Counts {
  size = 0;
  offset = 0;
  /** Bytes of `encode`, at most. */
  encodedBytes = 0;
  counts = new Float64Array(VALUES_FIRST);
  hashes = new Uint32Array(VALUES_FIRST);
  #slots = new Int32Array(VALUES_FIRST * 2).fill(-1);
  /** Where each value ends in `#bytes`; it begins where the one before ends. */
  #ends = new Uint32Array(VALUES_FIRST);
  #bytes = new Uint8Array(64);

  get roomBytes(): number {
    return ROW_BYTES + this.counts.length * 24 + this.#bytes.length;
  }

  valueOf(index: number): Uint8Array {
    return this.#bytes.subarray(index === 0 ? 0 : this.#ends[index - 1], this.#ends[index]);
  }

  add(hash: number, from: Uint8Array, at: number, length: number, count: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (; this.#slots[slot]! >= 0; slot = (slot + 1) & mask) {
      const index = this.#slots[slot]!;
      if (this.hashes[index] === hash && this.#isAt(index, from, at, length)) {
        this.counts[index]! += count;
        return;
      }
    }
    const index = this.size++;
    const start = index === 0 ? 0 : this.#ends[index - 1]!;
    if (start + length > this.#bytes.length) {
      // By the sum of lengths alone: it is the same after a restart.
      const bytes = new Uint8Array(2 ** Math.ceil(Math.log2(start + length)));
      bytes.set(this.#bytes);
      this.#bytes = bytes;
    }
    for (let i = 0; i < length; i++) this.#bytes[start + i] = from[at + i]!;
    this.#ends[index] = start + length;
    this.hashes[index] = hash;
    this.counts[index] = count;
    this.#slots[slot] = index;
    this.encodedBytes += length + ENCODED_VALUE_BYTES;
    if (this.size === this.counts.length) this.#grow();
  }

  /** As it was before any value, without the smaller half. */
  withoutRare(): Counts {
    const least = this.counts
      .slice(0, this.size)
      .sort()
      .at(-1 - VALUES_KEPT)!;
    const kept = new Counts();
    kept.offset = this.offset + least;
    for (let i = 0; i < this.size; i++) {
      const value = this.valueOf(i);
      if (this.counts[i]! > least) kept.add(this.hashes[i]!, value, 0, value.length, this.counts[i]! - least);
    }
    return kept;
  }

  #isAt(index: number, from: Uint8Array, at: number, length: number): boolean {
    const start = index === 0 ? 0 : this.#ends[index - 1]!;
    if (this.#ends[index]! - start !== length) return false;
    for (let i = 0; i < length; i++) if (this.#bytes[start + i] !== from[at + i]) return false;
    return true;
  }

  #grow(): void {
    const capacity = this.size * 2;
    const [counts, hashes, ends] = [new Float64Array(capacity), new Uint32Array(capacity), new Uint32Array(capacity)];
    counts.set(this.counts);
    hashes.set(this.hashes);
    ends.set(this.#ends);
    this.counts = counts;
    this.hashes = hashes;
    this.#ends = ends;
    this.#slots = new Int32Array(capacity * 2).fill(-1);
    const mask = this.#slots.length - 1;
    for (let index = 0; index < this.size; index++) {
      let slot = hashes[index]! & mask;
      while (this.#slots[slot]! >= 0) slot = (slot + 1) & mask;
      this.#slots[slot] = index;
    }
  }
}

export class FrequentRows implements SketchRows {
  grownBytes = 0;
  roomBytes = 0;
  readonly #isText: boolean;
  readonly #rows: (Counts | undefined)[] = [];
  readonly #number = new Uint8Array(NUMBER_BYTES);
  readonly #numberView = new DataView(this.#number.buffer);
  readonly #out = new ByteWriter(1024);

  constructor(isText: boolean) {
    this.#isText = isText;
  }

  grow(capacity: number): void {
    while (this.#rows.length < capacity) this.#rows.push(undefined);
  }

  addNumber(row: number, value: number, rest: number): void {
    // −0 is 0.
    this.#numberView.setFloat64(0, value + 0, true);
    this.#numberView.setFloat64(8, rest, true);
    this.addText(row, this.#number, this.#numberView, 0, NUMBER_BYTES);
  }

  addText(row: number, bytes: Uint8Array, view: DataView, at: number, length: number): void {
    const kept = keptLength(bytes, at, length, VALUE_BYTES_MAX);
    this.#add(row, hashText(bytes, view, at, kept), bytes, at, kept, 1);
    this.#bound(row);
  }

  merge(row: number, state: Uint8Array): void {
    if (state.length === 0) return;
    const { offset, values } = decoded(state, this.#isText);
    for (const { value, count } of values) {
      const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
      this.#add(row, hashText(value, view, 0, value.length), value, 0, value.length, count);
    }
    if (offset > 0) this.#of(row).offset += offset;
    this.#bound(row);
  }

  encode(row: number): Uint8Array {
    const out = this.#out;
    out.clear();
    const counts = this.#rows[row];
    if (counts === undefined) return out.view();
    out.varint(counts.offset);
    out.varint(counts.size);
    const { hashes } = counts;
    const order = Uint32Array.from({ length: counts.size }, (_, i) => i).sort(
      (a, b) => hashes[a]! - hashes[b]! || Buffer.compare(counts.valueOf(a), counts.valueOf(b)),
    );
    for (const index of order) {
      const value = counts.valueOf(index);
      out.varint(value.length);
      out.append(value);
      out.varint(counts.counts[index]!);
    }
    return out.view();
  }

  sizeOf(row: number): number {
    const counts = this.#rows[row];
    return counts === undefined ? 0 : ENCODED_HEAD_BYTES + counts.encodedBytes;
  }

  clear(row: number): void {
    this.roomBytes -= this.#rows[row]?.roomBytes ?? 0;
    this.#rows[row] = undefined;
  }

  #of(row: number): Counts {
    const known = this.#rows[row];
    if (known !== undefined) return known;
    const counts = new Counts();
    this.#rows[row] = counts;
    this.roomBytes += counts.roomBytes;
    this.grownBytes += ENCODED_HEAD_BYTES;
    return counts;
  }

  #add(row: number, hash: number, bytes: Uint8Array, at: number, length: number, count: number): void {
    const counts = this.#of(row);
    const { size, encodedBytes, roomBytes } = counts;
    counts.add(hash, bytes, at, length, count);
    if (counts.size === size) return;
    this.grownBytes += counts.encodedBytes - encodedBytes;
    this.roomBytes += counts.roomBytes - roomBytes;
  }

  #bound(row: number): void {
    const counts = this.#rows[row]!;
    if (counts.size <= VALUES_MAX) return;
    const kept = counts.withoutRare();
    this.roomBytes += kept.roomBytes - counts.roomBytes;
    this.grownBytes += kept.encodedBytes - counts.encodedBytes;
    this.#rows[row] = kept;
  }
}

interface Frequent {
  readonly offset: number;
  readonly values: readonly { readonly value: Uint8Array; readonly count: number }[];
}

function decoded(state: Uint8Array, isText: boolean): Frequent {
  if (state.length === 0) return { offset: 0, values: [] };
  const input = new ByteReader(state);
  try {
    const [offset, size] = [input.varint(), input.varint()];
    if (size > VALUES_MAX) throw new RangeError(`${size} values`);
    const values = Array.from({ length: size }, () => {
      const length = input.varint();
      if (isText ? length > VALUE_BYTES_MAX : length !== NUMBER_BYTES)
        throw new RangeError(`a value of ${length} bytes`);
      return { value: input.take(length), count: input.varint() };
    });
    if (input.position !== state.length) throw new RangeError(`${state.length - input.position} bytes too many`);
    return { offset, values };
  } catch (error) {
    if (error instanceof RangeError) throw damagedSketch('top', error.message);
    throw error;
  }
}

/** The values as JSON writes them, with their counts. */
function jsonValues(state: Uint8Array, type: FieldType): { offset: number; values: { json: string; count: number }[] } {
  const { offset, values } = decoded(state, isStringType(type));
  return { offset, values: values.map(({ value, count }) => ({ json: jsonOf(value, type), count })) };
}

function jsonOf(value: Uint8Array, type: FieldType): string {
  if (isStringType(type)) return JSON.stringify(textOf(value));
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const [number, rest] = [view.getFloat64(0, true), view.getFloat64(8, true)];
  if (type === 'boolean') return String(number === 1);
  if (type === 'date' && Math.abs(number) <= 8.64e15) return JSON.stringify(new Date(number));
  if (!Number.isFinite(number)) return 'null';
  return String(Number.isInteger(rest) ? exactInteger(number, rest) : number);
}

/** The `k` most frequent as a JSON text, those that are alike in the order of theirs. */
export function mostFrequent(state: Uint8Array, type: FieldType, k: number): string {
  const { offset, values } = jsonValues(state, type);
  values.sort((a, b) => b.count - a.count || Buffer.compare(Buffer.from(a.json), Buffer.from(b.json)));
  const shown = values.slice(0, k).map(({ json, count }) => {
    const atMost = offset === 0 ? '' : `,"count_max":${count + offset}`;
    return `{"value":${json},"count":${count}${atMost}}`;
  });
  return `[${shown.join(',')}]`;
}

/** Values are JSON themselves: SQL puts them together as they are. */
export const frequentColumns = (type: FieldType): readonly SketchColumn[] => [
  {
    suffix: '_values',
    type: 'STRUCT(v VARCHAR, n BIGINT)[]',
    fromStage: (text) => `from_json(${text}, '[{"v":"VARCHAR","n":"BIGINT"}]')`,
    of: {
      kind: 'text',
      of: (state) => JSON.stringify(jsonValues(state, type).values.map(({ json, count }) => ({ v: json, n: count }))),
    },
  },
  {
    suffix: '_offset',
    type: 'BIGINT',
    of: { kind: 'text', of: (state) => String(jsonValues(state, type).offset) },
  },
];

/** The same in SQL. Each part has a value once: those that are alike stand side by side, no more of them than there are parts. */
export function mergedFrequentSql({ value, columns: [values, offset] }: MergedNames, k: number): string {
  const sorted = `list_sort(flatten(list(${values})))`;
  const sum = `list_sum(list_transform(list_filter(".s".all[".i":".i" + ".s".parts - 1], lambda ".y": ".y".v = ".s".all[".i"].v), lambda ".y": ".y".n))`;
  const firsts = `list_filter(range(1, len(".s".all) + 1), lambda ".i": ".i" = 1 OR ".s".all[".i"].v <> ".s".all[".i" - 1].v)`;
  const summed = `list_sort(list_transform(${firsts}, lambda ".i": { 'n': -${sum}, 'v': ".s".all[".i"].v }))`;
  const less = `CASE WHEN len(".t") > ${VALUES_MAX} THEN -".t"[${VALUES_KEPT + 1}].n ELSE 0 END`;
  const counts = `',"count":' || CAST(-".x".n - ".c" AS BIGINT) || CASE WHEN ".s".offset + ".c" > 0 THEN ',"count_max":' || CAST(-".x".n + ".s".offset AS BIGINT) ELSE '' END`;
  const shown = `list_transform(list_filter(".t"[1:${k}], lambda ".x": -".x".n > ".c"), lambda ".x": '{"value":' || ".x".v || ${counts} || '}')`;
  const text = `'[' || array_to_string(${shown}, ',') || ']'`;
  const parts = `{ 'all': ${sorted}, 'parts': count(*), 'offset': sum(${offset}) }`;
  return `CASE WHEN count(*) = 1 THEN any_value(${value}) ELSE ${bound('s', parts, bound('t', summed, bound('c', less, text)))} END`;
}
