import { afterAll, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { BlockReader, type LinesRead } from '../../src/agent/block-reader.ts';
import { countRange, identityOf, readHead } from '../../src/agent/identity.ts';
import { BLOCK_ROOM_BYTES } from '../../src/agent/limits.ts';
import { FileFinder } from '../../src/agent/sources/file.ts';
import { SourceFiles } from '../../src/query/source-files.ts';
import { addLine, emptySum } from '../../src/record/line-id.ts';
import { EMPTY_TAIL, lineHashSeeds } from '../../src/record/source.ts';
import { plainLines } from '../support/plain-lines.ts';

const SOURCE = '6f1c0000-0000-4000-8000-000000000000/12';
const LINE_BYTES_MAX = 100;
const BLOCK = 512 * 1024;

const folder = mkdtempSync(join(tmpdir(), 'tailrace-blocks-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Everything a reader gives of a file that grows to each of `sizes` and then ends. */
function readAll(bytes: Buffer, sizes: readonly number[]): LinesRead[] {
  const reader = new BlockReader(SOURCE, 0, EMPTY_TAIL, emptySum(), LINE_BYTES_MAX);
  const into = Buffer.alloc(BLOCK_ROOM_BYTES);
  const reads: LinesRead[] = [];
  for (const [i, size] of [...sizes, bytes.length].entries()) {
    const isEnding = i === sizes.length;
    const handle = {
      key: '',
      look: () => ({ sizeBytes: size, modifiedMs: 0, isDeleted: false }),
      read: (to: Buffer, at: number, length: number, position: number) =>
        bytes.copy(to, at, position, Math.min(size, position + length)),
      close: () => {},
    };
    for (;;) {
      const read = reader.read(handle, into, Infinity, isEnding);
      if (read === 'nothing') break;
      if (read === 'replaced') throw new Error('the file is the same');
      if (read !== 'more') reads.push({ ...read, value: Buffer.from(read.value) });
    }
  }
  return reads;
}

const piece = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('\n', 'a line\n', '\n\n', '\r\n', 'half', `${'y'.repeat(101)}\n`) },
  { weight: 3, arbitrary: fc.constantFrom(1, 2, 64, 4096).map((zeros) => '\0'.repeat(zeros)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom('\0', 'z', `${'l'.repeat(63)}\n`),
        fc.constantFrom(BLOCK - 1, BLOCK, BLOCK + 1, BLOCK * 2 + 7),
      )
      .map(([unit, length]) => unit.repeat(length / unit.length)),
  },
);

test('lines and holes of any length are read, counted and named alike by the reader, the registry and the audit', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 12 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
      async (pieces, shares) => {
        const bytes = Buffer.from(pieces.join(''));
        const sizes = shares.map((share) => Math.floor(share * bytes.length)).sort((left, right) => left - right);
        const reads = readAll(bytes, sizes);
        const lines = plainLines(bytes);
        const sum = emptySum();
        for (const { offset } of lines) addLine(sum, SOURCE, offset);

        let position = 0;
        for (const read of reads) {
          expect([read.start, read.prev]).toEqual([position, position]);
          position = read.end;
        }
        expect(position).toBe(bytes.length);
        if (bytes.length === 0) return;
        expect(reads.at(-1)!.sum).toEqual(sum);
        expect(offsetsOf(reads).join(' ')).toBe(lines.map(({ offset }) => offset).join(' '));
        const kept = lines.map(({ text, isTerminated }) => text.slice(0, LINE_BYTES_MAX) + (isTerminated ? '\n' : ''));
        expect(reads.map(({ value }) => value.toString('latin1')).join('')).toBe(kept.join(''));

        const path = join(folder, 'a.log');
        writeFileSync(path, bytes);
        const handle = new FileFinder([{ name: 'web', include: [path], exclude: [] }]).open(path);
        const recounted = emptySum();
        expect(countRange(handle, 0, bytes.length, lineHashSeeds(SOURCE), recounted)).toBe(true);
        expect(recounted).toEqual(sum);
        const identity = identityOf(readHead(handle).bytes);
        handle.close();
        const audited = await new SourceFiles().count({ source: SOURCE, identity, path, origin: 0, position });
        expect(audited?.sum).toEqual(sum);
      },
    ),
    { seed: 3, numRuns: process.env['TAILRACE_SOAK'] === '1' ? 2_000 : 60, endOnFailure: true },
  );
});

function offsetsOf(reads: readonly LinesRead[]): number[] {
  return reads.flatMap(({ start, offsets, value }) => {
    if (offsets !== undefined) return offsets;
    return plainLines(value).map(({ offset }) => start + offset);
  });
}

test('zero bytes at the end of a file may be room that is filled later: they are not passed over while it lives', () => {
  const bytes = Buffer.from(`one\ntw${'\0'.repeat(BLOCK * 2)}`);
  const reader = new BlockReader(SOURCE, 0, EMPTY_TAIL, emptySum(), LINE_BYTES_MAX);
  const into = Buffer.alloc(BLOCK_ROOM_BYTES);
  const handle = {
    key: '',
    look: () => ({ sizeBytes: bytes.length, modifiedMs: 0, isDeleted: false }),
    read: (to: Buffer, at: number, length: number, position: number) => bytes.copy(to, at, position, position + length),
    close: () => {},
  };
  const next = (): string => {
    for (;;) {
      const read = reader.read(handle, into, Infinity, false);
      if (read !== 'more') return typeof read === 'string' ? read : read.value.toString();
    }
  };
  expect([next(), next()]).toEqual(['one\n', 'nothing']);
  bytes.write('two\nthree\n', 4);
  expect([next(), next()]).toEqual(['two\nthree\n', 'nothing']);
});
