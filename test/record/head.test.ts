import { expect, test } from '@jest/globals';
import { ByteReader, ByteWriter } from '../../src/lib/bytes.ts';
import { checkShape, decodeHead, encodeHead } from '../../src/record/head.ts';

const MAGIC = 0x5a;

function encoded(head: object, version = 3): Uint8Array {
  const out = new ByteWriter();
  encodeHead(out, MAGIC, version, head);
  return out.view().slice();
}

test('a reader takes older versions, refuses newer ones by name, and version 0 as damage', () => {
  const read = (version: number) => decodeHead(new ByteReader(encoded({ a: 1 }, version)), MAGIC, 3, 'thing');
  expect(read(1)).toEqual({ a: 1 });
  expect(() => read(4)).toThrow('thing has format version 4, this program reads up to 3');
  expect(() => read(0)).toThrow(RangeError);
});

test('the reader stands behind the head', () => {
  const bytes = Uint8Array.from([...encoded({ text: 'é' }), 42]);
  const reader = new ByteReader(bytes);
  decodeHead(reader, MAGIC, 3, 'thing');
  expect(reader.u8()).toBe(42);
});

test('bytes that are no UTF-8 are damage, where the decoder would say TypeError', () => {
  const bytes = encoded({ text: 'xx' });
  bytes[bytes.length - 4] = 0xff;
  expect(() => decodeHead(new ByteReader(bytes), MAGIC, 3, 'thing')).toThrow(RangeError);
});

test('fields must be there and of their shape', () => {
  const shape = { n: 'count', x: 'number', s: 'text', b: 'flag', l: 'list' } as const;
  const good = { n: 0, x: -0.5, s: '', b: false, l: [], more: 1 };
  expect(() => checkShape(good, shape, 'thing')).not.toThrow();
  const bad = [
    { n: -1 },
    { n: 0.5 },
    { n: 2 ** 53 },
    { n: '0' },
    { x: null },
    { s: 0 },
    { b: 0 },
    { l: {} },
    { l: undefined },
  ];
  for (const field of bad) expect(() => checkShape({ ...good, ...field }, shape, 'thing')).toThrow(RangeError);
});
