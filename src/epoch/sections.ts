import { crc32 } from 'node:zlib';
import { ByteReader, ByteWriter } from '../lib/bytes.ts';
import { decodeHead, encodeHead } from '../record/head.ts';

/** Columns start at multiples of 8 bytes, so that they can be read as typed arrays in place. */
const ALIGN = 8;
const PADDING = new Uint8Array(ALIGN);

const TYPES: ReadonlySet<string> = new Set(['f64', 'u32', 'u8']);
type SectionType = 'f64' | 'u32' | 'u8';
type SectionArray = Float64Array | Uint32Array | Uint8Array;

/**
 * A JSON head followed by typed arrays: head (see record/head.ts), padding to 8, then each section padded to 8, then the CRC-32 of
 * everything before it. The head's `sections` lists type and element count; other head fields name sections by index.
 */
export class SectionWriter {
  readonly #arrays: SectionArray[] = [];
  readonly #directory: [SectionType, number][] = [];

  /** Adds an array and returns the index by which the head names it. */
  add(array: SectionArray): number {
    const type = array instanceof Float64Array ? 'f64' : array instanceof Uint32Array ? 'u32' : 'u8';
    this.#directory.push([type, array.length]);
    return this.#arrays.push(array) - 1;
  }

  finish(magic: number, version: number, head: object): Uint8Array {
    const bytes = this.#arrays.reduce((sum, array) => sum + array.byteLength + ALIGN, 4096);
    const out = new ByteWriter(bytes);
    encodeHead(out, magic, version, { ...head, sections: this.#directory });
    for (const array of this.#arrays) {
      out.append(PADDING.subarray(0, (ALIGN - (out.length % ALIGN)) % ALIGN));
      out.append(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    }
    out.u32(crc32(out.view()));
    return out.view();
  }
}

export class SectionReader {
  readonly head: Record<string, unknown>;
  readonly #arrays: SectionArray[] = [];

  /** Throws a RangeError where bytes and checksum disagree, an OperatingError for a newer version. */
  constructor(bytes: Uint8Array, magic: number, version: number, what: string) {
    const body = aligned(bytes);
    const crcAt = body.length - 4;
    if (crcAt < 0 || new ByteReader(body, crcAt).u32() !== crc32(body.subarray(0, crcAt))) {
      throw new RangeError(`checksum of the ${what} does not match`);
    }
    const reader = new ByteReader(body);
    this.head = decodeHead(reader, magic, version, what);
    const { sections } = this.head;
    if (!Array.isArray(sections)) throw new RangeError(`the ${what} lists no sections`);
    for (const entry of sections as unknown[]) {
      const [type, length] = (Array.isArray(entry) ? entry : []) as [SectionType, number];
      if (!TYPES.has(type) || !Number.isSafeInteger(length))
        throw new RangeError(`a section of the ${what} has no size`);
      reader.take((ALIGN - (reader.position % ALIGN)) % ALIGN);
      this.#arrays.push(view(type, length, reader));
    }
  }

  f64(index: unknown): Float64Array {
    return this.#section(index, Float64Array);
  }

  u32(index: unknown): Uint32Array {
    return this.#section(index, Uint32Array);
  }

  u8(index: unknown): Uint8Array {
    return this.#section(index, Uint8Array);
  }

  /** An array of whatever type it was written as. */
  any(index: unknown): SectionArray {
    const array = typeof index === 'number' ? this.#arrays[index] : undefined;
    if (array === undefined) throw new RangeError(`section ${String(index)} is not there`);
    return array;
  }

  #section<T extends SectionArray>(index: unknown, type: abstract new (...args: never[]) => T): T {
    const array = typeof index === 'number' ? this.#arrays[index] : undefined;
    if (!(array instanceof type)) throw new RangeError(`section ${String(index)} is not a ${type.name}`);
    return array;
  }
}

/** The bytes where typed arrays may lie over them. A Buffer's own `slice` would give a view, as unaligned as the Buffer. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % ALIGN === 0
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    : new Uint8Array(bytes);
}

function view(type: SectionType, length: number, reader: ByteReader): SectionArray {
  const width = type === 'f64' ? 8 : type === 'u32' ? 4 : 1;
  const bytes = reader.take(length * width);
  if (type === 'f64') return new Float64Array(bytes.buffer, bytes.byteOffset, length);
  return type === 'u32' ? new Uint32Array(bytes.buffer, bytes.byteOffset, length) : bytes;
}
