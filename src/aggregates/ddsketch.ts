import { ByteReader, ByteWriter } from '../lib/bytes.ts';
import { RowSlots, UNIT_BYTES } from './row-slots.ts';
import { type MergedNames, type SketchColumn, type SketchRows, bound, damagedSketch } from './sketch.ts';

/**
 * DDSketch (Masson, Rim, Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", 2019): counts in buckets
 * whose bounds are powers of γ = (1 + α) / (1 − α), so that whatever a bucket is taken for is within α = 1 % of each of its values. Values below
 * zero have buckets of their own, zeros are counted.
 *
 * Of either sign at most 2,048 buckets side by side are kept: from the largest value down to its 6 · 10^17th part, as from nanoseconds to 19
 * years. What is nearer to zero counts in the lowest of them. Since it is the largest value that says which are kept, the state is the same
 * for any order and any parts.
 */
const ACCURACY = 0.01;
const GAMMA = (1 + ACCURACY) / (1 - ACCURACY);
const PER_E = 1 / Math.log(GAMMA);
export const BUCKETS_MAX = 2048;
const BUCKETS_FIRST = 8;
/** No double has a bucket further from that of 1. */
const BUCKET_FURTHEST = 40_000;

/** The bucket of a magnitude: γ^(bucket − 1) < magnitude ≤ γ^bucket. */
function bucketOf(magnitude: number): number {
  return Math.ceil(Math.log(magnitude) * PER_E);
}

/** Its middle, by the ratio to both bounds; the upper one of the last bucket is beyond all numbers. */
const MIDDLE = (2 * GAMMA) / (GAMMA + 1);

function valueOf(bucket: number): number {
  return Math.min(MIDDLE * GAMMA ** (bucket - 1), Number.MAX_VALUE);
}

/** Counts of buckets, for the values of one sign of every row: a slot holds those from `lowest` on, side by side. */
class Buckets {
  readonly slots = new RowSlots();
  /** How many of a row have a count. */
  filled = new Uint32Array(0);
  #lowest = new Int32Array(0);
  /** The highest that has a count. */
  #highest = new Int32Array(0);

  grow(capacity: number): void {
    this.slots.growRows(capacity);
    this.filled = wider(this.filled, new Uint32Array(capacity));
    this.#lowest = wider(this.#lowest, new Int32Array(capacity));
    this.#highest = wider(this.#highest, new Int32Array(capacity));
  }

  add(row: number, bucket: number, count: number): void {
    const { slots } = this;
    const units = slots.unitsOf(row);
    const at = bucket - this.#lowest[row]!;
    if (at < 0 || at >= units) {
      this.#addOutside(row, bucket, count, units);
      return;
    }
    const place = slots.starts[row]! + at;
    if (slots.doubles[place] === 0) this.filled[row]! += 1;
    slots.doubles[place]! += count;
    if (bucket > this.#highest[row]!) this.#highest[row] = bucket;
  }

  /** Those that have a count, from the lowest. */
  of(row: number): [bucket: number, count: number][] {
    const { doubles, starts } = this.slots;
    const units = this.slots.unitsOf(row);
    const found: [number, number][] = [];
    for (let i = 0; i < units; i++) {
      const count = doubles[starts[row]! + i]!;
      if (count !== 0) found.push([this.#lowest[row]! + i, count]);
    }
    return found;
  }

  clear(row: number): void {
    this.slots.release(row);
    this.filled[row] = this.#lowest[row] = this.#highest[row] = 0;
  }

  /** A bucket that the slot does not reach counts in the lowest that may be, or the slot moves or grows. */
  #addOutside(row: number, bucket: number, count: number, units: number): void {
    const known = units === 0 ? bucket : this.#highest[row]!;
    const highest = Math.max(bucket, known);
    const least = highest - BUCKETS_MAX + 1;
    if (bucket < least && least >= this.#lowest[row]! && units > 0) {
      this.add(row, least, count);
      return;
    }
    const counts = this.of(row);
    const first = Math.max(least, Math.min(bucket, counts[0]?.[0] ?? bucket));
    const wanted = highest - first + 1;
    this.slots.allot(row, Math.max(BUCKETS_FIRST, wanted) * UNIT_BYTES);
    // With room on both sides.
    this.#lowest[row] = first - ((this.slots.unitsOf(row) - wanted) >> 1);
    this.#highest[row] = highest;
    this.filled[row] = 0;
    for (const [one, of] of counts) this.add(row, Math.max(least, one), of);
    this.add(row, Math.max(least, bucket), count);
  }
}

function wider<T extends Uint32Array | Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** What a state says. Buckets are in ascending order. */
interface Sketch {
  readonly zeros: number;
  /** Values that are too large for their type: nobody knows how large. */
  readonly below: number;
  readonly above: number;
  readonly negative: readonly (readonly [bucket: number, count: number])[];
  readonly positive: readonly (readonly [bucket: number, count: number])[];
}

/** Of a bucket in a state, but where counts are in the millions. */
const ENCODED_BUCKET_BYTES = 5;
const ENCODED_HEAD_BYTES = 16;
const APART = 3;

export class DDSketchRows implements SketchRows {
  grownBytes = 0;
  readonly #negative = new Buckets();
  readonly #positive = new Buckets();
  /** Of each row three: zeros, below, above. */
  #apart = new Float64Array(0);
  readonly #out = new ByteWriter(1024);

  get roomBytes(): number {
    return this.#negative.slots.usedBytes + this.#positive.slots.usedBytes;
  }

  grow(capacity: number): void {
    this.#negative.grow(capacity);
    this.#positive.grow(capacity);
    this.#apart = wider(this.#apart, new Float64Array(capacity * APART));
  }

  addNumber(row: number, value: number): void {
    if (value > 0 && value < Infinity) this.#count(this.#positive, row, bucketOf(value), 1);
    else if (value < 0 && value > -Infinity) this.#count(this.#negative, row, bucketOf(-value), 1);
    else this.#countApart(row, value === 0 ? 0 : value < 0 ? 1 : 2, 1);
  }

  addText(): void {
    // `check` refuses quantiles of texts.
  }

  merge(row: number, state: Uint8Array): void {
    if (state.length === 0) return;
    const { zeros, below, above, negative, positive } = decoded(state);
    for (const [i, count] of [zeros, below, above].entries()) if (count > 0) this.#countApart(row, i, count);
    for (const [bucket, count] of negative) this.#count(this.#negative, row, bucket, count);
    for (const [bucket, count] of positive) this.#count(this.#positive, row, bucket, count);
  }

  encode(row: number): Uint8Array {
    const out = this.#out;
    out.clear();
    if (this.sizeOf(row) === 0) return out.view();
    for (let i = 0; i < APART; i++) out.varint(this.#apart[row * APART + i]!);
    for (const buckets of [this.#negative, this.#positive]) {
      out.varint(buckets.filled[row]!);
      let last = -BUCKET_FURTHEST;
      for (const [bucket, count] of buckets.of(row)) {
        out.varint(bucket - last);
        out.varint(count);
        last = bucket;
      }
    }
    return out.view();
  }

  sizeOf(row: number): number {
    const filled = this.#negative.filled[row]! + this.#positive.filled[row]!;
    const at = row * APART;
    const isEmpty = filled + this.#apart[at]! + this.#apart[at + 1]! + this.#apart[at + 2]! === 0;
    return isEmpty ? 0 : ENCODED_HEAD_BYTES + filled * ENCODED_BUCKET_BYTES;
  }

  clear(row: number): void {
    this.#negative.clear(row);
    this.#positive.clear(row);
    this.#apart.fill(0, row * APART, (row + 1) * APART);
  }

  #count(buckets: Buckets, row: number, bucket: number, count: number): void {
    const filled = buckets.filled[row]!;
    buckets.add(row, bucket, count);
    if (buckets.filled[row]! <= filled) return;
    this.grownBytes += filled === 0 ? ENCODED_HEAD_BYTES + ENCODED_BUCKET_BYTES : ENCODED_BUCKET_BYTES;
  }

  #countApart(row: number, which: number, count: number): void {
    const at = row * APART + which;
    if (this.#apart[at] === 0) this.grownBytes += ENCODED_HEAD_BYTES;
    this.#apart[at]! += count;
  }
}

function decoded(state: Uint8Array): Sketch {
  const input = new ByteReader(state);
  try {
    const [zeros, below, above] = [input.varint(), input.varint(), input.varint()];
    const [negative, positive] = [bucketsOf(input), bucketsOf(input)];
    if (input.position !== state.length) throw new RangeError(`${state.length - input.position} bytes too many`);
    return { zeros, below, above, negative, positive };
  } catch (error) {
    if (error instanceof RangeError) throw damagedSketch('quantile', error.message);
    throw error;
  }
}

function bucketsOf(input: ByteReader): [number, number][] {
  const length = input.varint();
  if (length > BUCKETS_MAX) throw new RangeError(`${length} buckets`);
  let bucket = -BUCKET_FURTHEST;
  return Array.from({ length }, () => {
    const gap = input.varint();
    const count = input.varint();
    bucket += gap;
    if (gap === 0 || count === 0 || bucket > BUCKET_FURTHEST) throw new RangeError(`bucket ${bucket}`);
    return [bucket, count];
  });
}

/** Buckets of both signs in one order: their number moved beyond all others, and the sign. */
const APART_FROM_ZERO = 2 ** 20;
const INFINITE = 2 ** 30;

/** In the order of their values, as [place in that order, count]. */
function inOrder(state: Uint8Array): [number, number][] {
  if (state.length === 0) return [];
  const { zeros, below, above, negative, positive } = decoded(state);
  const all: [number, number][] = [
    [-INFINITE, below],
    ...negative.toReversed().map(([bucket, count]): [number, number] => [-bucket - APART_FROM_ZERO, count]),
    [0, zeros],
    ...positive.map(([bucket, count]): [number, number] => [bucket + APART_FROM_ZERO, count]),
    [INFINITE, above],
  ];
  return all.filter(([, count]) => count > 0);
}

/**
 * The value that stands at q · (n − 1) of n in order, rounded down; null where there is none, ±Infinity where it is too large for its type.
 */
export function quantileOf(state: Uint8Array, q: number): number | null {
  const counts = inOrder(state);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const rank = q * (total - 1);
  let before = 0;
  for (const [place, count] of counts) {
    before += count;
    if (before <= rank) continue;
    if (Math.abs(place) >= INFINITE) return place * Infinity;
    return place === 0 ? 0 : Math.sign(place) * valueOf(Math.abs(place) - APART_FROM_ZERO);
  }
  return null;
}

export const DDSKETCH_COLUMNS: readonly SketchColumn[] = [
  {
    suffix: '_places',
    type: 'INTEGER[]',
    of: { kind: 'numbers', of: (state) => inOrder(state).map(([place]) => place) },
  },
  {
    suffix: '_counts',
    type: 'BIGINT[]',
    of: { kind: 'numbers', of: (state) => inOrder(state).map(([, count]) => count) },
  },
];

/** The same in SQL: the counts of all parts in order, and how far they come. */
export function mergedQuantileSql({ value, columns: [places, counts] }: MergedNames, q: number): string {
  const pairs = `list_zip(flatten(list(${places})), flatten(list(${counts})))`;
  const sorted = `list_sort(list_transform(${pairs}, lambda ".x": { 'place': ".x"[1], 'before': ".x"[2] }))`;
  const rank = `${q}::DOUBLE * (list_sum(list_transform(".s", lambda ".x": ".x".before)) - 1)`;
  const step = `CASE WHEN ".a".before > ".r" THEN ".a" ELSE { 'place': ".b".place, 'before': ".a".before + ".b".before } END`;
  const found = bound('r', rank, `list_reduce(".s", lambda ".a", ".b": ${step}).place`);
  const isFinite = `abs(".x".place) < ${INFINITE}`;
  const furthest = (aggregate: 'min' | 'max'): string =>
    `list_${aggregate}(list_transform(list_filter(".s", lambda ".x": ${isFinite}), lambda ".x": ".x".place))`;
  // Of parts that reach further, the buckets that are nearer to zero than those that are kept count in the lowest of them.
  const kept = `CASE WHEN abs(".f") >= ${INFINITE} THEN ".f" WHEN ".f" > 0 THEN greatest(".f", ${furthest('max')} - ${BUCKETS_MAX - 1})
    WHEN ".f" < 0 THEN least(".f", ${furthest('min')} + ${BUCKETS_MAX - 1}) ELSE 0 END`;
  const result = `CASE WHEN abs(".k") >= ${INFINITE} THEN sign(".k") * 'Infinity'::DOUBLE
    WHEN ".k" = 0 THEN 0
    ELSE sign(".k") * least(${MIDDLE} * pow(${GAMMA}, abs(".k") - ${APART_FROM_ZERO + 1}), ${Number.MAX_VALUE}) END`;
  const ofParts = bound('s', sorted, `CASE WHEN len(".s") > 0 THEN ${bound('f', found, bound('k', kept, result))} END`);
  return `CASE WHEN count(*) = 1 THEN any_value(${value}) ELSE ${ofParts} END`;
}
