import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { textOf } from '../../../src/lib/text.ts';
import { JsonWriter } from '../../../src/sinks/elasticsearch/json-writer.ts';

function written(write: (json: JsonWriter) => void): string {
  const json = new JsonWriter(4);
  write(json);
  return json.bytes.toString('utf8', 0, json.length);
}

/** Bytes as logs have them: text, control characters, and now and then no UTF-8. */
const bytes = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => new Uint8Array(Buffer.from(text))),
  fc.uint8Array({ maxLength: 40 }),
  fc
    .array(fc.constantFrom(0x22, 0x5c, 0x0a, 0x1f, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xed, 0xa0, 0x80, 0xf0, 0x9f, 0x98), {
      maxLength: 20,
    })
    .map((list) => Uint8Array.from(list)),
);

test('any bytes are the text that tables show, as JSON', () => {
  fc.assert(
    fc.property(bytes, bytes, (before, text) => {
      const all = Buffer.concat([before, text]);
      const json = written((out) => out.text(all, before.length, all.length));
      expect(JSON.parse(`"${json}"`)).toBe(textOf(text));
    }),
    { numRuns: 500 },
  );
});

test('times are ISO 8601 with milliseconds', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) }), (ms) => {
      expect(written((out) => out.time(ms))).toBe(JSON.stringify(new Date(ms)));
    }),
  );
});

test('whole numbers and others', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.double({ noNaN: true, noDefaultInfinity: true }), (count, number) => {
      expect(written((out) => out.count(count))).toBe(String(count));
      expect(Number(written((out) => out.number(number)))).toBe(number + 0);
    }),
  );
});
