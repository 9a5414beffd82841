import { fmix32 } from '../lib/hash.ts';
import { RowSlots } from './row-slots.ts';
import { type MergedNames, type SketchColumn, type SketchRows, bound, damagedSketch } from './sketch.ts';

/**
 * HyperLogLog (Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm", 2007) of 2^14
 * registers, standard error 0.81 %, with Ertl's estimator ("New cardinality estimation algorithms for HyperLogLog sketches", 2017), which needs no
 * corrections. A hash has 32 bits: 14 name the register, of the next 14 the leading zeros count. So a register is 0 to 15: four bits, 8 KiB a
 * row, and the estimator knows what 15 means: up to 10^8 values nothing is lost, and at 10^9 the error is 1.5 %.
 *
 * Up to 1,536 values the hashes themselves are kept, four bytes each, and the result is exact but where two of them collide. (Heule, Nunkesser,
 * Hall, "HyperLogLog in Practice", 2013, keep 25 bits.)
 *
 * As bytes: hashes in ascending order, or the registers as four planes of 2^14 bits, the least significant first. So SQL, which has operations on
 * bits and none on half bytes, can merge them.
 */
const REGISTERS = 2 ** 14;
const RANK_MAX = 15;
const PLANES = 4;
const PLANE_WORDS = REGISTERS / 32;
const PLANE_BYTES = REGISTERS / 8;
const DENSE_BYTES = PLANES * PLANE_BYTES;
/** Three quarters of what fits where the registers do: a table of hashes is never larger than they are. */
export const HASHES_MAX = 1536;
/** In the place of a number of hashes. */
const DENSE = 0xffff_ffff;

const numbers = new Float64Array(1);
const numberWords = new Uint32Array(numbers.buffer);

export function hashNumber(value: number, rest: number): number {
  // −0 is 0.
  numbers[0] = value + 0;
  const h = Math.imul(fmix32(numberWords[0]! ^ Math.imul(rest, 0x9e3779b1)) ^ numberWords[1]!, 0x85ebca6b);
  return fmix32(h);
}

export function hashText(bytes: Uint8Array, view: DataView, at: number, length: number): number {
  let h = Math.imul(length + 1, 0x9e3779b1);
  let p = at;
  for (const end = at + length - 3; p < end; p += 4) {
    h = Math.imul(h ^ view.getInt32(p, true), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35);
    h ^= h >>> 13;
  }
  for (const end = at + length; p < end; p++) h = Math.imul(h ^ bytes[p]!, 0x01000193);
  return fmix32(h);
}

/** The register of a hash is in its upper 14 bits. */
function rankOf(hash: number): number {
  const rest = (hash >>> 4) & (REGISTERS - 1);
  // Of 14 bits, so 18 of the 32 are always zero.
  return Math.clz32(rest) - 17;
}

/** The registers of a dense state, at a place of an array of words. */
class Registers {
  words: Uint32Array = new Uint32Array(0);
  base = 0;

  get(register: number): number {
    const at = this.base + (register >>> 5);
    const bit = bitOf(register);
    let rank = 0;
    for (let plane = 0; plane < PLANES; plane++) rank |= ((this.words[at + plane * PLANE_WORDS]! >>> bit) & 1) << plane;
    return rank;
  }

  raise(register: number, rank: number): void {
    if (this.get(register) >= rank) return;
    const at = this.base + (register >>> 5);
    const mask = 1 << bitOf(register);
    for (let plane = 0; plane < PLANES; plane++) {
      const word = at + plane * PLANE_WORDS;
      if ((rank >>> plane) & 1) this.words[word]! |= mask;
      else this.words[word]! &= ~mask;
    }
  }

  /** Of each register the larger one: compared in all 32 of a word at once, from the highest plane down. */
  raiseAll(others: Uint32Array): void {
    const { words, base } = this;
    for (let at = 0; at < PLANE_WORDS; at++) {
      let isLess = 0;
      let isEqual = -1;
      for (let plane = PLANES - 1; plane >= 0; plane--) {
        const [own, other] = [words[base + plane * PLANE_WORDS + at]!, others[plane * PLANE_WORDS + at]!];
        isLess |= isEqual & ~own & other;
        isEqual &= ~(own ^ other);
      }
      for (let plane = 0; plane < PLANES; plane++) {
        const word = base + plane * PLANE_WORDS + at;
        words[word] = (words[word]! & ~isLess) | (others[plane * PLANE_WORDS + at]! & isLess);
      }
    }
  }
}

/** Where a register's bit is in its word: in the bytes of a plane the first register is the highest bit, as DuckDB's BIT has it. */
function bitOf(register: number): number {
  return (register & 31) ^ 7;
}

/** Sketches of rows. A row's slot is a hash table of hashes, where 0 is an empty place, or the registers. */
export class HyperLogLogRows implements SketchRows {
  grownBytes = 0;
  readonly #slots = new RowSlots();
  #counts = new Uint32Array(0);
  readonly #registers = new Registers();
  readonly #out = new Uint32Array(DENSE_BYTES / 4);

  get roomBytes(): number {
    return this.#slots.usedBytes;
  }

  grow(capacity: number): void {
    this.#slots.growRows(capacity);
    const counts = new Uint32Array(capacity);
    counts.set(this.#counts);
    this.#counts = counts;
  }

  addNumber(row: number, value: number, rest: number): void {
    this.#add(row, hashNumber(value, rest));
  }

  addText(row: number, bytes: Uint8Array, view: DataView, at: number, length: number): void {
    this.#add(row, hashText(bytes, view, at, length));
  }

  sizeOf(row: number): number {
    const count = this.#counts[row]!;
    return count === DENSE ? DENSE_BYTES : count * 4;
  }

  clear(row: number): void {
    this.#slots.release(row);
    this.#counts[row] = 0;
  }

  encode(row: number): Uint8Array {
    const out = this.#out;
    const { words, starts } = this.#slots;
    const count = this.#counts[row]!;
    const start = starts[row]! * 2;
    if (count === DENSE) {
      out.set(words.subarray(start, start + out.length));
      return new Uint8Array(out.buffer);
    }
    let next = 0;
    for (let i = start; next < count; i++) if (words[i] !== 0) out[next++] = words[i]!;
    return new Uint8Array(out.subarray(0, count).sort().buffer, 0, count * 4);
  }

  merge(row: number, state: Uint8Array): void {
    const words = wordsOf(state);
    if (state.length < DENSE_BYTES) {
      for (const hash of words) this.#add(row, hash);
      return;
    }
    if (this.#counts[row] !== DENSE) this.#toRegisters(row);
    this.#dense(row).raiseAll(words);
  }

  #add(row: number, hash: number): void {
    const count = this.#counts[row]!;
    if (count === DENSE) {
      this.#dense(row).raise(hash >>> 18, rankOf(hash));
      return;
    }
    const known = hash === 0 ? 1 : hash;
    const room = this.#slots.unitsOf(row) * 2;
    if (room > 0 && this.#isKnown(row, known, room)) return;
    if (count === HASHES_MAX) {
      this.#toRegisters(row);
      this.#dense(row).raise(known >>> 18, rankOf(known));
      return;
    }
    if (count + 1 > room * 0.75) this.#enlarge(row, count);
    this.#put(row, known);
    this.#counts[row] = count + 1;
    this.grownBytes += 4;
  }

  #isKnown(row: number, hash: number, room: number): boolean {
    const { words, starts } = this.#slots;
    const start = starts[row]! * 2;
    let at = hash & (room - 1);
    while (words[start + at] !== 0) {
      if (words[start + at] === hash) return true;
      at = (at + 1) & (room - 1);
    }
    return false;
  }

  #put(row: number, hash: number): void {
    const { words, starts } = this.#slots;
    const room = this.#slots.unitsOf(row) * 2;
    const start = starts[row]! * 2;
    let at = hash & (room - 1);
    while (words[start + at] !== 0) at = (at + 1) & (room - 1);
    words[start + at] = hash;
  }

  #enlarge(row: number, count: number): void {
    const hashes = this.encode(row).slice();
    this.#slots.allot(row, Math.max(16, ((count + 1) / 0.75) * 4));
    for (const hash of wordsOf(hashes)) this.#put(row, hash);
  }

  #toRegisters(row: number): void {
    const hashes = this.encode(row).slice();
    this.#slots.allot(row, DENSE_BYTES);
    this.grownBytes += DENSE_BYTES - hashes.length;
    this.#counts[row] = DENSE;
    const registers = this.#dense(row);
    for (const hash of wordsOf(hashes)) registers.raise(hash >>> 18, rankOf(hash));
  }

  #dense(row: number): Registers {
    this.#registers.words = this.#slots.words;
    this.#registers.base = this.#slots.starts[row]! * 2;
    return this.#registers;
  }
}

/** The hashes or planes of a state. */
function wordsOf(state: Uint8Array): Uint32Array {
  const { length } = state;
  if (length !== DENSE_BYTES && (length % 4 !== 0 || length > HASHES_MAX * 4))
    throw damagedSketch('distinct', `${length} bytes`);
  const words = new Uint32Array(new Uint8Array(state).buffer);
  if (length === DENSE_BYTES) return words;
  for (const [i, hash] of words.entries())
    if (hash === 0 || hash <= (words[i - 1] ?? 0)) throw damagedSketch('distinct', 'its hashes are not in order');
  return words;
}

/** How many different values there were. */
export function estimate(state: Uint8Array): number {
  const words = wordsOf(state);
  if (state.length < DENSE_BYTES) return words.length;
  const registers = new Registers();
  registers.words = words;
  const counts = Array.from({ length: RANK_MAX + 1 }, () => 0);
  for (let register = 0; register < REGISTERS; register++) counts[registers.get(register)]! += 1;
  // Ertl's algorithm 6; his sums σ and τ as far as a double sees them. `z` is an estimate of Σ 2^−rank as if ranks had no end.
  const [empty, full] = [counts[0]! / REGISTERS, counts[RANK_MAX]! / REGISTERS];
  let sigma = empty;
  for (let k = 1; k <= TERMS; k++) sigma += empty ** (2 ** k) * 2 ** (k - 1);
  let tau = full;
  for (let k = 1; k <= TERMS; k++) tau -= (1 - (1 - full) ** (2 ** -k)) ** 2 * 2 ** -k;
  let z = REGISTERS * (sigma + tau / 3 / 2 ** (RANK_MAX - 1));
  for (let rank = 1; rank < RANK_MAX; rank++) z += counts[rank]! * 2 ** -rank;
  return Math.round(ALPHA / z);
}

/** α∞ · m². */
const ALPHA = REGISTERS ** 2 / (2 * Math.LN2);
/** Of σ and τ: the next would be below 2^−50. */
const TERMS = 50;

/** What SQL merges: the registers, or the hashes. */
export const HYPERLOGLOG_COLUMNS: readonly SketchColumn[] = [
  {
    suffix: '_hashes',
    type: 'UINTEGER[]',
    of: { kind: 'numbers', of: (state) => (state.length === DENSE_BYTES ? [] : wordsOf(state)) },
  },
  {
    suffix: '_planes',
    type: 'BLOB',
    fromStage: (text) => `unhex(${text})`,
    of: { kind: 'text', of: (state) => (state.length === DENSE_BYTES ? Buffer.from(state).toString('hex') : null) },
  },
];

/** The same in SQL: of each rank how many registers have at least that, over all parts; then the estimator. */
export function mergedEstimateSql({ value, columns: [hashes, planes] }: MergedNames): string {
  const none = `bitstring('0', ${REGISTERS})`;
  const atLeast = Array.from({ length: RANK_MAX }, (_, i) => {
    const ofPlanes = `list_aggregate(list_transform(".s".planes, lambda ".x": ${planesAtLeast('".x"', i + 1)}), 'bit_or')`;
    const chosen = `list_filter(".hashes", lambda ".h": ((".h" >> 4) & ${REGISTERS - 1}) < ${2 ** (RANK_MAX - 1 - i)})`;
    const ofHashes = `list_aggregate(list_transform(${chosen}, lambda ".h": ".h" >> 18), 'bitstring_agg', 0, ${REGISTERS - 1})`;
    return `bit_count(coalesce(${ofPlanes}, ${none}) | coalesce(${ofHashes}, ${none}))`;
  });
  const empty = `(1 - ".t"[1] / ${REGISTERS})`;
  const full = `(".t"[${RANK_MAX}] / ${REGISTERS})`;
  const sum = (to: number, term: string): string => `list_sum(list_transform(range(1, ${to}), lambda ".k": ${term}))`;
  const sigma = `(${empty} + ${sum(TERMS + 1, `pow(${empty}, pow(2, ".k")) * pow(2, ".k" - 1)`)})`;
  const tau = `(${full} - ${sum(TERMS + 1, `pow(1 - pow(1 - ${full}, pow(2, -".k")), 2) * pow(2, -".k")`)})`;
  const z = `(${REGISTERS} * (${sigma} + ${tau} / 3 / ${2 ** (RANK_MAX - 1)}) + ${sum(RANK_MAX, '(".t"[".k"] - ".t"[".k" + 1]) * pow(2, -".k")')})`;
  const estimated = bound('t', `[${atLeast.join(', ')}]`, `CAST(round(${ALPHA} / ${z}) AS BIGINT)`);
  const isExact = `len(".s".planes) = 0 AND len(".hashes") <= ${HASHES_MAX}`;
  const result = `CASE WHEN ${isExact} THEN len(".hashes") ELSE ${estimated} END`;
  const parts = `{ 'hashes': list(${hashes}), 'planes': coalesce(list(${planes}) FILTER (WHERE ${planes} IS NOT NULL), []) }`;
  const merged = bound('s', parts, bound('hashes', 'list_distinct(flatten(".s".hashes))', result));
  return `CASE WHEN count(*) = 1 THEN any_value(${value}) ELSE ${merged} END`;
}

/** Which registers of planes have at least this rank, from its lowest bit up: where that is set, so must theirs be. */
function planesAtLeast(planes: string, rank: number): string {
  let sql = '';
  for (let plane = 0; plane < PLANES; plane++) {
    const bits = `${planes}[${plane * PLANE_BYTES + 1}:${(plane + 1) * PLANE_BYTES}]::BIT`;
    if ((rank >>> plane) & 1) sql = sql === '' ? bits : `(${bits} & ${sql})`;
    else if (sql !== '') sql = `(${bits} | ${sql})`;
  }
  return sql;
}
