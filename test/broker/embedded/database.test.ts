import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { assertSqliteVersion } from '../../../src/broker/embedded/database.ts';
import { decodeGenesis } from '../../../src/record/control.ts';
import { embeddedLogHarness } from '../../support/embedded-log-harness.ts';
import type { EmbeddedLogHarness } from '../../support/embedded-log-harness.ts';
import { startChild } from '../../support/start-child.ts';

const SAMPLE = join(import.meta.dirname, '../../fixtures/format/broker-v1.db');

let harness: EmbeddedLogHarness;
beforeEach(() => {
  harness = embeddedLogHarness();
});
afterEach(() => harness.close());

function changeFile(sql: string): void {
  const database = new DatabaseSync(harness.path);
  database.exec(sql);
  database.close();
}

describe('the format', () => {
  test('a file of version 1 reads, and takes more', async () => {
    copyFileSync(SAMPLE, harness.path);
    const log = await harness.open();
    const read = [];
    for await (const batch of log.read('web.raw.access', 1, 3, { isFollowing: false })) read.push(...batch);
    const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
    expect(read.map((m) => [m.offset, m.kind, text(m.header), text(m.value).slice(0, 12), m.value.length])).toEqual([
      [3, 'block', 'header of a compressed block', '10.0.0.1 - -', 3300],
      [4, 'block', 'header of a short block', 'short', 5],
      [5, 'beat', 'header of a beat', '', 0],
      [6, 'epoch', '', 'an epoch', 8],
      [7, 'part', 'header of a part', 'a part', 6],
      [8, 'control', 'header of a control message', '', 0],
    ]);
    expect(read.every((m) => m.damaged === undefined && m.appendedAtMs === 1_795_000_000_000)).toBe(true);
    const genesis = log.read('web.raw.access', 0, 0, { isFollowing: false })[Symbol.asyncIterator]();
    const [first] = (await genesis.next()).value;
    expect(decodeGenesis(first.header).log).toBe('000102030405060708090a0b0c0d0e0f');
    expect(await log.reports('web.raw.access')).toEqual([
      { group: 'documents', partition: 0, cursor: undefined, reportedAtMs: 1_795_000_000_000 },
      { group: 'warehouse', partition: 1, cursor: { offset: 4, id: 'id' }, reportedAtMs: 1_795_000_000_000 },
    ]);
    expect(
      await log.append('web.raw.access', 1, [{ kind: 'beat', header: new Uint8Array(1), value: new Uint8Array(0) }]),
    ).toBe(9);
  });

  test('a newer file is one clear error, and is left as it is', async () => {
    await (await harness.open()).close();
    changeFile('PRAGMA user_version = 99');
    const before = readFileSync(harness.path);
    await expect(harness.open()).rejects.toMatchObject({
      code: 'FORMAT_NEWER',
      message: `${harness.path} has format version 99, this program reads up to 1`,
      hint: 'run the newer tailrace that wrote it',
    });
    expect(Buffer.compare(readFileSync(harness.path), before)).toBe(0);
  });

  test('a file of another program is refused, as is one that is no database', async () => {
    changeFile('CREATE TABLE theirs (x)');
    await expect(harness.open()).rejects.toMatchObject({ code: 'LOG_FOREIGN_FILE' });
    writeFileSync(harness.path, 'not a database, '.repeat(100));
    await expect(harness.open()).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
  });

  test('old versions of SQLite are refused', () => {
    for (const version of ['3.51.2', '3.50.9', '2.99.99', undefined]) {
      expect(() => assertSqliteVersion(version)).toThrow(expect.objectContaining({ code: 'SQLITE_TOO_OLD' }));
    }
    for (const version of ['3.51.3', '3.52.0', '4.0.0', process.versions['sqlite']]) assertSqliteVersion(version);
  });
});

test('the file is for its owner only', async () => {
  const log = await harness.open();
  await log.ensureTopics([{ topic: 't', partitions: 1, messageBytesMax: 100 }]);
  for (const suffix of ['', '-wal', '-shm']) expect(statSync(harness.path + suffix).mode & 0o777).toBe(0o600);
});

test('many processes may make the file at once', async () => {
  const job = { topic: 't', partition: 0, appends: 20, messagesEach: 1, valueBytes: 10 };
  const children = ['a', 'b', 'c', 'd'].map((writer) => startChild(harness.child!, { ...job, writer }));
  const answers = await Promise.all(children.map(({ lines }) => lines));
  expect(answers.map((lines) => lines.length)).toEqual([20, 20, 20, 20]);
  const offsets = answers.flat().map((line) => Number(line.split(' ')[1]));
  expect(offsets.sort((a, b) => a - b)).toEqual(Array.from({ length: 80 }, (_, i) => i + 1));
});

test('after a failed write the process must not go on: every further append is refused', async () => {
  await (await harness.open()).close();
  const job = { writer: 'a', topic: 't', partition: 0, appends: 30, messagesEach: 1, valueBytes: 100_000 };
  // The kernel refuses to let a file grow past 1 MiB (blocks of 512 bytes): EFBIG, which SQLite takes for a failing disk.
  const { lines } = startChild(harness.child!, job, { shell: 'ulimit -f 2048' });
  const answers = await lines;
  const firstError = answers.findIndex((line) => line.startsWith('error'));
  expect(firstError).toBeGreaterThan(2);
  expect(answers.slice(firstError)).toEqual(Array.from({ length: 30 - firstError }, () => 'error LOG_IO_FAILED'));
  const log = await harness.open();
  expect(await log.ends('t')).toEqual([{ start: 0, end: 1 + firstError }]);
});
