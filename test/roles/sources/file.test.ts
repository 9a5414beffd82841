import { linkSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type FilesInputConfig, fileSource } from '../../../src/roles/sources/file.ts';

test('the example is what the options make of themselves', () => {
  for (const { options } of fileSource.examples) expect(fileSource.options.parse(options)).toMatchObject(options);
  expect(fileSource.options.parse({ include: ['x'] })).toEqual({
    include: ['x'],
    exclude: [],
    line_bytes_max: 262_144,
    copy_grace: 30_000,
  });
});

test('a file that several entries of one stream name is the first one’s, under whatever name', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-shared-'));
  try {
    for (const name of ['a.log', 'b.log', 'c.txt']) writeFileSync(join(folder, name), 'x\n');
    linkSync(join(folder, 'a.log'), join(folder, 'same-as-a.txt'));
    const input = (name: string, pattern: string, stream = 's'): FilesInputConfig => ({
      name,
      type: 'file',
      stream,
      include: [join(folder, pattern)],
      exclude: [],
      lineBytesMax: 1000,
      copyGraceMs: 0,
    });
    const inputs = [input('logs', '*.log'), input('b', 'b.log'), input('texts', '*.txt'), input('other', '*', 'other')];
    const notes = (all: readonly FilesInputConfig[], stream: string): readonly string[] =>
      fileSource.notes!(all.filter((one) => one.stream === stream));
    expect(notes(inputs, 's')).toEqual([
      `${join(folder, 'b.log')} is of logs, which comes before b`,
      `${join(folder, 'same-as-a.txt')} is of logs, which comes before texts`,
    ]);
    expect(notes(inputs, 'other')).toEqual([]);
    const many = Array.from({ length: 8 }, (_, i) => input(`i${i}`, 'b.log'));
    expect(notes(many, 's').at(-1)).toBe('and 2 files more');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
