import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { WireReader, WireWriter } from '../../../../src/broker/kafka/wire/wire-bytes.ts';

type Write = (out: WireWriter) => unknown;
type Read = (answer: WireReader) => unknown;
/** Something to write, and what reading it gives. */
interface Item {
  readonly write: Write;
  readonly read: Read;
  readonly value: unknown;
}

const item = <T>(values: fc.Arbitrary<T>, write: (out: WireWriter, value: T) => unknown, read: Read) =>
  values.map((value): Item => ({ write: (out) => write(out, value), read, value }));
const signed = (bits: number): fc.Arbitrary<number> =>
  fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 });

const items: fc.Arbitrary<Item> = fc.oneof(
  item(
    signed(8),
    (out, value) => out.i8(value),
    (answer) => answer.i8(),
  ),
  item(
    signed(16),
    (out, value) => out.i16(value),
    (answer) => answer.i16(),
  ),
  item(
    signed(32),
    (out, value) => out.i32(value),
    (answer) => answer.i32(),
  ),
  item(
    fc.maxSafeInteger(),
    (out, value) => out.i64(value),
    (answer) => answer.i64(),
  ),
  item(
    fc.boolean(),
    (out, value) => out.bool(value),
    (answer) => answer.bool(),
  ),
  item(
    fc.nat(2 ** 31 - 1),
    (out, value) => out.varint(value),
    (answer) => answer.varint(),
  ),
  item(
    fc.option(fc.string({ maxLength: 300 })),
    (out, value) => out.string(value),
    (answer) => answer.string(),
  ),
  item(
    fc.array(signed(32), { maxLength: 40 }),
    (out, values) => out.array(values, (value) => out.i32(value)),
    (answer) => answer.array(() => answer.i32()),
  ),
);

test('what is written is read, in both dialects, however long it grows', () => {
  fc.assert(
    fc.property(fc.array(items, { maxLength: 200, size: 'max' }), fc.boolean(), (written, isFlexible) => {
      const out = new WireWriter(isFlexible);
      for (const { write } of written) write(out);
      out.tags();
      const answer = new WireReader(out.view(), isFlexible);
      expect(written.map(({ read }) => read(answer))).toEqual(written.map(({ value }) => value));
      answer.tags();
      expect(() => answer.i8()).toThrow(RangeError);
    }),
    { numRuns: 100, endOnFailure: true },
  );
});

test('a request grows beyond the memory it begins with', () => {
  const bytes = Buffer.alloc(5000, 7);
  for (let before = 500; before < 520; before++) {
    const out = new WireWriter();
    expect(
      out
        .raw(Buffer.alloc(before))
        .bytes(bytes)
        .view()
        .subarray(before + 4),
    ).toEqual(bytes);
  }
});
