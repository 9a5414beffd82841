import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { crc32 } from 'node:zlib';
import { SectionReader, SectionWriter } from '../../src/epoch/sections.ts';

const MAGIC = 0x54;
const read = (bytes: Uint8Array): SectionReader => new SectionReader(bytes, MAGIC, 1, 'test');

function written(arrays: readonly (Float64Array | Uint32Array | Uint8Array)[], head: object = {}): Uint8Array {
  const out = new SectionWriter();
  for (const array of arrays) out.add(array);
  return out.finish(MAGIC, 1, head);
}

/** The same bytes at another place in memory, as a socket or a file gives them. */
function movedBy(bytes: Uint8Array, shift: number): Buffer {
  const memory = Buffer.alloc(bytes.length + shift);
  memory.set(bytes, shift);
  return memory.subarray(shift);
}

describe('sections', () => {
  test('come back, of any length, wherever the bytes lie', () => {
    const arrays = fc.array(
      fc.oneof(
        fc.array(fc.double()).map((values) => Float64Array.from(values)),
        fc.array(fc.nat({ max: 2 ** 32 - 1 })).map((values) => Uint32Array.from(values)),
        fc.uint8Array(),
      ),
    );
    fc.assert(
      fc.property(arrays, fc.nat({ max: 9 }), fc.string(), (sections, shift, text) => {
        const reader = read(movedBy(written(sections, { text }), shift));
        expect(reader.head['text']).toBe(text);
        for (const [i, section] of sections.entries()) {
          const back =
            section instanceof Float64Array
              ? reader.f64(i)
              : section instanceof Uint32Array
                ? reader.u32(i)
                : reader.u8(i);
          expect(back).toEqual(section);
        }
      }),
      { seed: 6, numRuns: 200 },
    );
  });

  test('take a view of a larger array for what it is', () => {
    const whole = Float64Array.of(1, 2, 3, 4);
    expect(read(written([whole.subarray(1, 3)])).f64(0)).toEqual(Float64Array.of(2, 3));
  });

  test('without a head, without an end, without anything are damaged', () => {
    for (let length = 0; length < 20; length++) expect(() => read(new Uint8Array(length))).toThrow(RangeError);
  });

  test('a checksum that fits does not make up for a directory that does not', () => {
    const bytes = Buffer.from(written([Float64Array.of(1)]));
    const at = bytes.indexOf('["f64",1]');
    bytes.write('["f64",9]', at);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
    expect(() => read(bytes)).toThrow(RangeError);
  });

  test('a section read as another type is damage', () => {
    const reader = read(written([Uint8Array.of(1)]));
    expect(() => reader.f64(0)).toThrow(RangeError);
    expect(() => reader.u32(7)).toThrow(RangeError);
    expect(() => reader.u8(-1)).toThrow(RangeError);
  });
});
