import { expect, test } from '@jest/globals';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { foreignContent } from '../../src/lib/file-content.ts';
import { accessLines } from '../support/access-lines.ts';
import { Random } from '../support/random.ts';

const LINES = accessLines(20);
const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le');
const utf32 = (text: string): Buffer => Buffer.from(Array.from(text, (char) => [char.charCodeAt(0), 0, 0, 0]).flat());
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const hole = (bytes: number): Buffer => Buffer.alloc(bytes);
const random = new Random(7);
const noise = Buffer.from(Array.from({ length: 4096 }, () => random.below(256)));

test.each<[string, Buffer]>([
  ['is compressed (gzip)', gzipSync(LINES)],
  ['is compressed (gzip)', Buffer.from([0x1f, 0x8b])],
  ['is compressed (zstd)', zstdCompressSync(LINES)],
  ['is compressed (bzip2)', latin1('BZh91AY&SY\x8a')],
  ['is compressed (xz)', latin1('\xfd7zXZ\x00\x00\x04')],
  ['is compressed (lz4)', latin1('\x04\x22\x4d\x18')],
  ['is compressed (compress)', latin1('\x1f\x9d\x90')],
  ['is compressed (zip)', latin1('PK\x03\x04')],
  ['is text in UTF-16LE', Buffer.concat([latin1('\xff\xfe'), utf16(LINES)])],
  ['is text in UTF-16BE', Buffer.concat([latin1('\xfe\xff'), utf16(LINES).swap16()])],
  ['is text in UTF-16LE', utf16(LINES)],
  ['is text in UTF-16BE', utf16(LINES).swap16()],
  ['is text in UTF-16LE', latin1('\xff\xfe')],
  ['is text in UTF-32LE', Buffer.concat([latin1('\xff\xfe\x00\x00'), utf32(LINES)])],
  ['is text in UTF-32LE', utf32(LINES)],
  ['is text in UTF-32BE', utf32(LINES).swap32()],
  ['is a JSON array, not one object a line', Buffer.from('[{"a":1},{"a":2}]')],
  ['is a JSON array, not one object a line', Buffer.from('\ufeff[\r\n  {\r\n    "a": 1\r\n  }\r\n]\r\n')],
  ['is JSON over several lines, not one object a line', Buffer.from('{\n  "a": 1,\n  "b": 2\n}\n')],
  ['holds an SQLite database, not lines', latin1(`SQLite format 3\x00\x10\x00`)],
  ['holds a program, not lines', latin1('\x7fELF\x02\x01')],
  ['holds a tar archive, not lines', latin1(`${'x'.repeat(257)}ustar\x00`)],
  ['holds bytes that are not text, not lines', noise],
  // A login record of wtmp: short texts in fields of fixed width.
  [
    'holds bytes that are not text, not lines',
    Buffer.concat(
      Array.from({ length: 10 }, () =>
        Buffer.concat([latin1('\x07\x00\x00\x00\x39\x05\x00\x00pts/0'), hole(27), latin1('ts/0root'), hole(28)]),
      ),
    ),
  ],
])('a file that %s', (reason, bytes) => {
  expect(foreignContent(bytes)).toMatchObject({ reason, isCompressed: reason.startsWith('is compressed') });
  expect(foreignContent(bytes)!.hint).not.toBe('');
});

test.each<[string, string | Buffer]>([
  ['nothing', ''],
  ['lines', LINES],
  ['a mark of UTF-8 before lines', `\ufeff${LINES}`],
  ['a hole before lines', Buffer.concat([hole(3000), latin1(LINES)])],
  ['nothing but a hole so far', hole(4096)],
  ['lines around a hole', Buffer.concat([latin1(LINES), hole(100), latin1(LINES)])],
  ['Latin-1', latin1('192.0.2.7 - - [x] "GET /\xe4\xf6\xfc HTTP/1.1" 200 5\n'.repeat(20))],
  ['colours', '\x1b[31merror\x1b[0m one thing\n'.repeat(20)],
  ['FIX messages, whose fields end with 0x01', '8=FIX.4.2\x019=178\x0135=8\x0149=PHLX\x01\n'.repeat(20)],
  ['a time in brackets', '[2026-01-01T00:00:00Z] hello\n'],
  ['an address in brackets', '[2001:db8::1]:80 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n'],
  ['lists, one a line', '["a",1]\n["b",2]\n'],
  ['JSON, one object a line', '{"a":[{"b":1}]}\n{"a":2}\n'],
  ['words like marks', 'BZh9 is what bzip2 begins with\n'],
  ['zero bytes here and there', `${'x'.repeat(500)}\0${'y'.repeat(500)}\0z\n`],
])('%s may be text', (_, text) => {
  expect(foreignContent(Buffer.from(text))).toBeUndefined();
});

test('printable text of any kind is never taken for something else, but for JSON', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
      const found = foreignContent(Buffer.from(`x${text}`));
      expect(found).toBeUndefined();
    }),
    { seed: 1, numRuns: 2000 },
  );
});
