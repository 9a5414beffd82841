/** A text that is looked for in many: Horspool's skips. */
export class Needle {
  readonly #bytes: Buffer;
  /** How far the end of the needle may move on where it stands over a byte. */
  readonly #skips: Uint32Array;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#skips = new Uint32Array(256).fill(bytes.length);
    for (let k = 0; k < bytes.length - 1; k++) this.#skips[bytes[k]!] = bytes.length - 1 - k;
  }

  isIn(array: Uint8Array, at: number, length: number): boolean {
    const bytes = this.#bytes;
    const skips = this.#skips;
    const last = bytes.length - 1;
    if (last < 0) return true;
    const end = at + length;
    for (let place = at + last; place < end; place += skips[array[place]!]!) {
      let k = last;
      while (k >= 0 && array[place - last + k] === bytes[k]) k--;
      if (k < 0) return true;
    }
    return false;
  }
}
