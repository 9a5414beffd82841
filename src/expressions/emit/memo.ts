import { textOf } from '../../lib/text.ts';
import type { Batch } from '../../record/batch.ts';
import { interpreter } from '../interpret.ts';
import type { Tree, Value } from '../tree.ts';
import { hashOf, sameBytes, viewOf } from './bytes.ts';

const SLOTS = 8192;
/** Half of the slots, so that few texts meet another one on the way to theirs. */
const TEXTS_MAX = SLOTS / 2;
/** Paths and user agents are shorter. */
const TEXT_BYTES_MAX = 512;
const RESULT_BYTES_MAX = 4096;
/** What is kept of all texts and results. */
const ARENA_BYTES_MAX = 1 << 20;
/** Where three of four texts of so many were new, the next are not looked for. */
const TRIAL_LINES = 4096;
const MISSES_MAX = (TRIAL_LINES / 4) * 3;
const PAUSE_LINES = 15 * TRIAL_LINES;

/** Places behind those of the table: of a text that is not kept, and of NULL. */
const UNKEPT = SLOTS;
const NULL = SLOTS + 1;

/** What is known of a place, in one line of the processor's cache. */
const PLACE = 8;
const HASH = 0;
/** Where the text is in the arena; a place whose length is negative is free. */
const TEXT_AT = 1;
const TEXT_LENGTH = 2;
/** Where a text's result is: in the arena, or within the text itself (−1 − place). */
const RESULT_AT = 3;
const RESULT_LENGTH = 4;
/** The batch in whose scratch the result is, and where. */
const IN_BATCH = 5;
const IN_SCRATCH = 6;
/** 1: a value was lost. */
const LOST = 7;

/**
 * What an expression over one column of texts says of each, evaluated by the interpreter once a text: logs hold few different ones. Bounded, and
 * where texts are mostly different it stops looking them up. The results are the same.
 */
export class TextMemo {
  /** The result at a place, as columns have numbers. */
  readonly values = new Float64Array(SLOTS + 2);
  /** What `find` found: 1 where a value was lost; of a text the cells of this batch. */
  lost = 0;
  start = 0;
  length = -1;
  readonly #evaluate: (text: string | null) => Value;
  readonly #isText: boolean;
  #batch: Batch | undefined;
  #batches = 0;
  #isLost = false;
  #lookups = 0;
  #misses = 0;
  #isPaused = false;
  #hasNull = false;
  readonly #places = new Int32Array((SLOTS + 2) * PLACE).fill(-1);
  #arena = Buffer.alloc(1 << 16);
  #view = viewOf(this.#arena);
  #arenaLength = 0;
  #kept = 0;
  /** The result of a text that is not kept. */
  #unkept: Uint8Array = new Uint8Array(0);
  #nullResult: Uint8Array = new Uint8Array(0);

  /** `tree` looks at no other field than one of texts. */
  constructor(tree: Tree, interpreterOf = interpreter) {
    const interpret = interpreterOf(tree, {
      lost: () => {
        this.#isLost = true;
        return null;
      },
    });
    this.#evaluate = (text) => interpret(() => text);
    this.#isText = tree.type === 'text';
  }

  /** Before the lines of a batch. */
  begin(batch: Batch): void {
    this.#batch = batch;
    this.#batches = (this.#batches + 1) | 0;
  }

  /**
   * The place of the result for a text of `batch`, whose cell is `start` and `length`; −1 where it is beyond what generated code knows. The
   * batch's scratch may be another one after it.
   */
  find(array: Uint8Array, view: DataView, at: number, start: number, length: number): number {
    const place = this.#placeOf(array, view, at, length);
    if (place < 0) return place;
    this.lost = this.#places[place * PLACE + LOST]!;
    return !this.#isText || this.#takeText(place, start) ? place : -1;
  }

  #placeOf(array: Uint8Array, view: DataView, at: number, length: number): number {
    if (length < 0) return this.#placeOfNull();
    if (++this.#lookups >= (this.#isPaused ? PAUSE_LINES : TRIAL_LINES)) this.#judge();
    if (this.#isPaused || length > TEXT_BYTES_MAX) return this.#evaluateUnkept(array, at, length);
    const hash = hashOf(array, view, at, length);
    const places = this.#places;
    let place = hash & (SLOTS - 1);
    for (;;) {
      const cell = place * PLACE;
      const kept = places[cell + TEXT_LENGTH]!;
      if (kept < 0) break;
      if (
        kept === length &&
        places[cell + HASH] === hash &&
        sameBytes(array, view, at, this.#arena, this.#view, places[cell + TEXT_AT]!, length)
      )
        return place;
      place = (place + 1) & (SLOTS - 1);
    }
    this.#misses++;
    return this.#keep(place, hash, array, at, length);
  }

  /** After so many lines: whether the next are looked for. */
  #judge(): void {
    this.#isPaused = !this.#isPaused && this.#misses > MISSES_MAX;
    this.#lookups = 0;
    this.#misses = 0;
  }

  #placeOfNull(): number {
    if (this.#hasNull) return NULL;
    const bytes = this.#store(NULL, null);
    if (bytes === null) return -1;
    this.#nullResult = bytes;
    this.#hasNull = true;
    return NULL;
  }

  #evaluateUnkept(array: Uint8Array, at: number, length: number): number {
    const bytes = this.#store(UNKEPT, textOf(array.subarray(at, at + length)));
    if (bytes === null) return -1;
    this.#unkept = bytes;
    this.#places[UNKEPT * PLACE + IN_BATCH] = this.#batches - 1;
    return UNKEPT;
  }

  /** Keeps the text at a place that is free, unless it is too much. */
  #keep(free: number, hash: number, array: Uint8Array, at: number, length: number): number {
    if (this.#evaluateUnkept(array, at, length) < 0) return -1;
    const result = this.#unkept;
    if (result.length > RESULT_BYTES_MAX) return UNKEPT;
    const isNew = this.#makeRoom(length + result.length);
    const place = isNew ? hash & (SLOTS - 1) : free;
    const text = array.subarray(at, at + length);
    const within = result.length > length ? -1 : Buffer.from(text.buffer, text.byteOffset, length).indexOf(result);
    this.#kept++;
    const places = this.#places;
    const cell = place * PLACE;
    places.copyWithin(cell, UNKEPT * PLACE, (UNKEPT + 1) * PLACE);
    places[cell + HASH] = hash;
    places[cell + TEXT_AT] = this.#append(text);
    places[cell + TEXT_LENGTH] = length;
    places[cell + RESULT_AT] = within >= 0 ? -1 - within : this.#append(result);
    this.values[place] = this.values[UNKEPT]!;
    return place;
  }

  /** Evaluates into a place. Gives the bytes of a text, none of anything else; null where it is beyond what generated code knows. */
  #store(place: number, text: string | null): Uint8Array | null {
    this.#isLost = false;
    const value = this.#evaluate(text);
    this.#places[place * PLACE + LOST] = this.#isLost ? 1 : 0;
    this.values[place] = value === null || typeof value === 'string' ? Number.NaN : Number(value);
    if (typeof value === 'bigint' && !Number.isSafeInteger(Number(value))) return null;
    const bytes = typeof value === 'string' ? Buffer.from(value) : EMPTY;
    this.#places[place * PLACE + RESULT_LENGTH] = typeof value === 'string' ? bytes.length : -1;
    return bytes;
  }

  /** False where the batch has no room for it. */
  #takeText(place: number, start: number): boolean {
    const places = this.#places;
    const cell = place * PLACE;
    const length = places[cell + RESULT_LENGTH]!;
    const at = places[cell + RESULT_AT]!;
    this.length = length;
    if (length <= 0) this.start = 0;
    else if (place < SLOTS && at < 0) this.start = start >= 0 ? start - 1 - at : start + 1 + at;
    else {
      if (places[cell + IN_BATCH] !== this.#batches) {
        if (!this.#batch!.hasRoom(length)) return false;
        places[cell + IN_BATCH] = this.#batches;
        places[cell + IN_SCRATCH] = this.#batch!.appendScratch(this.#resultBytes(place, at, length));
      }
      this.start = -1 - places[cell + IN_SCRATCH]!;
    }
    return true;
  }

  #resultBytes(place: number, at: number, length: number): Uint8Array {
    if (place === UNKEPT) return this.#unkept;
    return place === NULL ? this.#nullResult : this.#arena.subarray(at, at + length);
  }

  #append(bytes: Uint8Array): number {
    const at = this.#arenaLength;
    this.#arena.set(bytes, at);
    this.#arenaLength += bytes.length;
    return at;
  }

  /** Makes room for one more text. Where the table or the arena is full, both begin anew: then it gives true. */
  #makeRoom(sizeBytes: number): boolean {
    const needed = this.#arenaLength + sizeBytes;
    if (this.#kept < TEXTS_MAX && needed <= this.#arena.length) return false;
    if (this.#kept < TEXTS_MAX && this.#arena.length < ARENA_BYTES_MAX) {
      const grown = Buffer.alloc(this.#arena.length * 4);
      grown.set(this.#arena);
      this.#arena = grown;
      this.#view = viewOf(grown);
      return false;
    }
    this.#arenaLength = 0;
    this.#kept = 0;
    this.#places.fill(-1, 0, SLOTS * PLACE);
    return true;
  }
}

const EMPTY = new Uint8Array(0);
