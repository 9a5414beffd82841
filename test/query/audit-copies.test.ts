import { appendFileSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { findReadTwice } from '../../src/query/audit-copies.ts';
import type { AuditSource } from '../../src/query/audit-tables.ts';
import { SourceFiles } from '../../src/query/source-files.ts';
import { identityOf } from '../../src/record/file-identity.ts';
import { tailHash } from '../../src/record/source.ts';

let folder: string;
let log: string;
let copy: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-audit-'));
  log = join(folder, 'access.log');
  copy = join(folder, 'access.log.1');
});
afterEach(() => rmSync(folder, { recursive: true }));

const LINES = Array.from({ length: 20 }, (_, i) => `line ${i} of a log\n`);
const TEXT = LINES.join('');

/** A source as the warehouse has it, which read `bytes` of what began as TEXT does. */
function sourceOf(number: number, path: string, bytes: number, more: Partial<AuditSource> = {}): AuditSource {
  return {
    stream: 'access',
    source: `agent/${number}`,
    identity: identityOf(Buffer.from(LINES[0]!)),
    path,
    state: 'closed',
    origin: 0,
    position: bytes,
    tail: tailHash(Buffer.from(TEXT.slice(0, bytes))),
    gapEnd: null,
    possibleLossBytes: 0,
    possibleDoubleBytes: 0,
    agentSum: null,
    ...more,
  };
}

const FIVE = LINES.slice(0, 5).join('').length;

test('bytes of one file that were read as two sources are doubled, whatever the agent says', async () => {
  // A rotation by copy and truncation, after an agent that read the copy again.
  writeFileSync(copy, TEXT);
  writeFileSync(log, 'what came after\n');
  const sources = [sourceOf(1, log, FIVE), sourceOf(2, copy, TEXT.length)];
  const twice = await findReadTwice(sources, new SourceFiles());
  expect(twice).toMatchObject({ lines: 5, notes: [] });
  expect(twice.differences).toEqual([`bytes 0 to ${FIVE} of ${log} were read as agent/1 and as agent/2: 5 doubled`]);
});

test('two files with the same lines are two files, and a note', async () => {
  writeFileSync(log, TEXT);
  copyFileSync(log, copy);
  const twice = await findReadTwice([sourceOf(1, log, FIVE), sourceOf(2, copy, TEXT.length)], new SourceFiles());
  expect(twice).toMatchObject({ lines: 0, differences: [] });
  expect(twice.notes).toHaveLength(1);
});

test('a source that goes on where another ended has nothing twice, nor has one whose content is gone', async () => {
  writeFileSync(log, TEXT);
  const next = sourceOf(2, log, TEXT.length, { origin: FIVE });
  expect(await findReadTwice([sourceOf(1, log, FIVE), next], new SourceFiles())).toMatchObject({ lines: 0, notes: [] });
  // The same heading, and other lines below it.
  const other = sourceOf(3, log, FIVE, { tail: tailHash(Buffer.from('something else')) });
  expect(await findReadTwice([other, sourceOf(1, log, FIVE)], new SourceFiles())).toMatchObject({ lines: 0 });
});

test('among files that begin alike the bytes below the position tell which is counted', async () => {
  writeFileSync(log, `${LINES[0]}other lines below the same heading\n`.repeat(9));
  writeFileSync(copy, TEXT);
  appendFileSync(copy, 'more\n');
  const count = await new SourceFiles().count(sourceOf(1, log, TEXT.length));
  expect(count?.sum.lines).toBe(20);
});
