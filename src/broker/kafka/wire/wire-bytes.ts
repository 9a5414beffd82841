/**
 * Kafka's own encoding of requests and answers: big-endian numbers, and two dialects of strings and arrays. In the older one lengths
 * are fixed integers; in the newer ("flexible") one they are varints of length + 1, and every structure ends with tagged fields.
 * 64-bit numbers become JavaScript numbers: offsets and times stay far below 2^53.
 */
export class WireWriter {
  #bytes: Buffer = Buffer.allocUnsafe(512);
  #length = 0;
  readonly isFlexible: boolean;

  constructor(isFlexible = false) {
    this.isFlexible = isFlexible;
  }

  // Room is made first, since what is written to may be another buffer then.
  i8(value: number): this {
    const at = this.#reserve(1);
    this.#bytes.writeInt8(value, at);
    return this;
  }

  i16(value: number): this {
    const at = this.#reserve(2);
    this.#bytes.writeInt16BE(value, at);
    return this;
  }

  i32(value: number): this {
    const at = this.#reserve(4);
    this.#bytes.writeInt32BE(value, at);
    return this;
  }

  i64(value: number): this {
    const at = this.#reserve(8);
    this.#bytes.writeBigInt64BE(BigInt(value), at);
    return this;
  }

  bool(value: boolean): this {
    return this.i8(value ? 1 : 0);
  }

  /** An unsigned varint. */
  varint(value: number): this {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#byte((rest % 0x80) | 0x80);
    return this.#byte(rest);
  }

  string(value: string | null): this {
    const bytes = value === null ? undefined : Buffer.from(value);
    if (this.isFlexible) this.varint(bytes === undefined ? 0 : bytes.length + 1);
    else this.i16(bytes?.length ?? -1);
    return bytes === undefined ? this : this.raw(bytes);
  }

  /** Bytes after a 32-bit length, in either dialect's older form. */
  bytes(value: Uint8Array): this {
    return this.i32(value.length).raw(value);
  }

  raw(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  array<T>(values: readonly T[], write: (value: T) => void): this {
    if (this.isFlexible) this.varint(values.length + 1);
    else this.i32(values.length);
    for (const value of values) write(value);
    return this;
  }

  /** The end of a structure. */
  tags(): this {
    return this.isFlexible ? this.varint(0) : this;
  }

  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #byte(value: number): this {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
    return this;
  }

  /** Makes room and returns where it begins. */
  #reserve(length: number): number {
    const start = this.#length;
    const needed = start + length;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, start);
      this.#bytes = grown;
    }
    this.#length = needed;
    return start;
  }
}

/** Reads what {@link WireWriter} describes. Every read is bounds-checked: short bytes are a RangeError, never a wrong value. */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;
  readonly isFlexible: boolean;

  constructor(bytes: Buffer, isFlexible = false) {
    this.#bytes = bytes;
    this.isFlexible = isFlexible;
  }

  i8(): number {
    return this.#bytes.readInt8(this.#take(1));
  }

  i16(): number {
    return this.#bytes.readInt16BE(this.#take(2));
  }

  i32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  i64(): number {
    const at = this.#take(8);
    const value = this.#bytes.readInt32BE(at) * 0x100000000 + this.#bytes.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(value)) throw new RangeError(`the number ${value}`);
    return value;
  }

  bool(): boolean {
    return this.i8() !== 0;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 5; i++) {
      const byte = this.#bytes[this.#take(1)]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new RangeError('a length of more than five bytes');
  }

  string(): string | null {
    const length = this.isFlexible ? this.varint() - 1 : this.i16();
    return length < 0 ? null : this.raw(length).toString();
  }

  /** A view of bytes after a length of 32 bits (or a varint in the newer dialect), not a copy. */
  bytes(): Buffer {
    const length = this.isFlexible ? this.varint() - 1 : this.i32();
    return this.raw(Math.max(0, length));
  }

  raw(length: number): Buffer {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** A missing array is an empty one. */
  array<T>(read: () => T): T[] {
    const length = this.isFlexible ? this.varint() - 1 : this.i32();
    // Each entry takes a byte at least: a damaged length must not reserve memory.
    if (length > this.#bytes.length - this.#at)
      throw new RangeError(`${length} entries in ${this.#bytes.length} bytes`);
    const values: T[] = [];
    for (let left = length; left > 0; left--) values.push(read());
    return values;
  }

  /** Passes over the tagged fields at the end of a structure: none of them matters here. */
  tags(): void {
    if (!this.isFlexible) return;
    for (let count = this.varint(); count > 0; count--) {
      this.varint();
      this.raw(this.varint());
    }
  }

  #take(length: number): number {
    const start = this.#at;
    if (length < 0 || start + length > this.#bytes.length) {
      throw new RangeError(`needs ${length} bytes at ${start}, has ${this.#bytes.length - start}`);
    }
    this.#at = start + length;
    return start;
  }
}
