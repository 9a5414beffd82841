import { expect, test } from '@jest/globals';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { RIGHT_CONFIG } from '../support/broken-config.ts';
import { NODE_FLAGS } from '../support/node-flags.ts';

const folder = mkdtempSync(join(tmpdir(), 'tailrace-search-'));
// Nobody answers there: what is wrong is said before anybody is asked.
const SINK = "sinks: { search: { type: elasticsearch, nodes: ['http://127.0.0.1:1'] } }\n";
writeFileSync(join(folder, 'tailrace.yaml'), `${RIGHT_CONFIG}${SINK}`);

function search(...args: string[]): SpawnSyncReturns<string> {
  const main = [resolve('src/main.ts'), 'search', ...args];
  return spawnSync(process.execPath, [...NODE_FLAGS, ...main], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
  });
}

test.each([
  ['--since 1h --until 2h', '--since 1h is not before --until 2h: no line can be between them'],
  ['--since now', '--since now is not before --until now: no line can be between them'],
  ['--since 2999-01-01 --follow', '--since 2999-01-01 is not before --until now: no line can be between them'],
  ['--since 9999999d', '--since "9999999d" is before the year 1: write something such as 365d'],
])('%s is refused', (args, line) => {
  expect(search(...args.split(' '))).toMatchObject({ status: 2, stdout: '', stderr: `tailrace: ${line}\n` });
});
