import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RIGHT_CONFIG } from '../support/broken-config.ts';
import { accessLines } from '../support/access-lines.ts';
import { type Ended, tailrace, workFolder } from '../support/tailrace-process.ts';

const FILES = 200;
const LINES = 50;

let folder: ReturnType<typeof workFolder>;
beforeEach(() => {
  folder = workFolder();
  mkdirSync(join(folder.path, 'logs'));
  writeFileSync(join(folder.path, 'tailrace.yaml'), RIGHT_CONFIG);
});
afterEach(() => folder.remove());

const once = (openFilesMax: number): Promise<Ended> =>
  tailrace(['run', '--once', '--json'], { cwd: folder.path, openFilesMax });

test('with 64 open files 200 files take turns, and every line is delivered', async () => {
  for (let i = 0; i < FILES; i++) writeFileSync(join(folder.path, `logs/access.log.${i}`), accessLines(LINES));
  const { code, stdout, stderr } = await once(64);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const lines = FILES * LINES;
  expect(JSON.parse(stdout)).toMatchObject({ audit: { sent: lines, stored: lines, lost: 0, doubled: 0 }, unread: [] });
});

test('with fewer open files than the roles themselves need a run is refused with the way out', async () => {
  const { code, stderr } = await once(40);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr:
      'tailrace: a process may have 40 open files here, and a run needs 64 (raise ulimit -n, best to 1024 or more)\n',
  });
});
