import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT } from '../../src/lib/errors.ts';
import { type Ended, tailrace, workFolder } from '../support/tailrace-process.ts';

let folder: ReturnType<typeof workFolder>;
beforeEach(() => {
  folder = workFolder();
});
afterEach(() => folder.remove());

const LINES = [
  ['192.0.2.1', '/a', 200],
  ['192.0.2.1', '/b', 404],
  ['192.0.2.2', '/a', 200],
] as const;

function writeConfig(transforms: readonly string[]): void {
  writeFileSync(
    join(folder.path, 'tailrace.yaml'),
    `version: 1
name: web
sources: { web: { type: file, include: [access.log], stream: access } }
streams:
  access:
    codec: { type: combined }
    transforms:
${transforms.map((transform) => `      - ${transform}\n`).join('')}
rollups:
  traffic:
    from: access
    by: [client]
    window: { type: tumbling, size: 1h }
    measures: { requests: count, errors: max(status.code) }
`,
  );
}

const run = (): Promise<Ended> => tailrace(['run', '--once', '--close', '--json'], { cwd: folder.path });
const RENAME = '{ type: rename, fields: { source.ip: client, http.response.status_code: status.code } }';
const DROP = '{ type: drop, fields: [source.address, rest] }';

test('a table has the names that the transforms give, is another one with another field under a name, and the same one else', async () => {
  const line = ([client, path, status]: (typeof LINES)[number]): string =>
    `${client} - - [17/May/2015:10:05:03 +0000] "GET ${path} HTTP/1.1" ${status} 5 "-" "-"\n`;
  writeFileSync(join(folder.path, 'access.log'), LINES.map(line).join(''));
  writeConfig([RENAME, DROP]);
  const first = await run();
  expect(first).toMatchObject({ code: 0 });
  expect(JSON.parse(first.stdout)).toMatchObject({ audit: { sent: 3, stored: 3, lost: 0, doubled: 0 } });
  const query = 'select client, requests, errors from traffic order by client';
  const { stdout } = await tailrace(['sql', query, '--json'], { cwd: folder.path });
  expect((JSON.parse(stdout) as { rows: unknown }).rows).toEqual([
    ['192.0.2.1', 2, 404],
    ['192.0.2.2', 1, 200],
  ]);

  // The same fields by another way, and others left out: the table goes on.
  writeConfig([DROP, '{ type: rename, fields: { source.ip: who } }', RENAME.replace('source.ip', 'who')]);
  expect(await run()).toMatchObject({ code: 0 });
  // Another field under the name of a key: rows of two meanings in one table.
  writeConfig(['{ type: drop, fields: [source.ip] }', RENAME.replace('source.ip', 'source.address')]);
  const changed = await run();
  expect(changed.code).toBe(EXIT.config);
  expect(changed.stderr).toContain('rollup traffic has another definition than the one its table was made with');
}, 120_000);
