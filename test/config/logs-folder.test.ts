import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, filledTables } from '../../src/config/config.ts';
import { placeInFolder } from '../../src/config/logs-folder.ts';
import { COMPONENTS } from '../../src/components.ts';
import { configOfLogs } from '../support/configs.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-logs-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const ACCESS = '192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 10 "-" "-"\n';
const json = (more: object): string =>
  `${JSON.stringify({ time: '2021-04-29T09:01:40Z', level: 'info', ...more })}\n`.repeat(4);

/** A run over these files, which have this text; what the folder makes of it. */
function run(names: readonly string[], text: string): Config {
  const paths = names.map((name) => join(folder, name));
  for (const path of paths) writeFileSync(path, text);
  const { config, remember } = placeInFolder(configOfLogs(paths, folder).config, COMPONENTS);
  remember();
  return config;
}

const tablesOf = filledTables;

test('one log after the other: each has tables and a clock of its own, and the folder keeps all of them', () => {
  expect(tablesOf(run(['a.json'], json({ msg: 'hi' })))).toEqual(['events']);
  expect(tablesOf(run(['access.log'], ACCESS))).toEqual(['requests', 'visits', 'clients']);
  expect(tablesOf(run(['b.json'], json({ svc: 'x' })))).toEqual(['events_b']);
  const last = run(['other access.log'], ACCESS);
  expect(tablesOf(last)).toEqual(['requests_other_access', 'visits_other_access', 'clients_other_access']);
  expect(Object.keys(last.pipeline.streams).toSorted()).toEqual([
    'combined',
    'combined_other_access',
    'json',
    'json_b',
  ]);
  expect(Object.keys(last.pipeline.rollups)).toHaveLength(8);
  expect(new Set(last.inputs.map(({ stream }) => stream))).toEqual(new Set(['combined_other_access']));
});

test('files that came before go on where they were, whatever rotation has added, and however their first lines look now', () => {
  const first = run(['app.json'], json({ msg: 'hi' }));
  const grown = run(['app.json'], json({ msg: 'hi', more: 1, host: 'h' }));
  expect(grown.pipeline).toEqual(first.pipeline);
  for (const name of ['app.json.1', 'app-20261130.json', 'app.2026-11-30.json.2', 'app.json-2026-11-30']) {
    expect({ name, tables: tablesOf(run([name, 'app.json'], json({ msg: 'hi' }))) }).toEqual({
      name,
      tables: ['events'],
    });
    expect({ name, tables: tablesOf(run([name], json({ msg: 'hi' }))) }).toEqual({ name, tables: ['events'] });
  }
  // The name of another log, and the same name in another folder.
  expect(tablesOf(run(['app2.json'], json({ msg: 'hi' })))).toEqual(['events_app2']);
});

test('another shape under a name that came before is another log, to which its file belongs from then on', () => {
  expect(tablesOf(run(['x.log'], json({ msg: 'hi' })))).toEqual(['events']);
  expect(tablesOf(run(['x.log'], json({ svc: 'hi' })))).toEqual(['events_x']);
  expect(tablesOf(run(['x.log'], ACCESS))).toEqual(['requests', 'visits', 'clients']);
  expect(tablesOf(run(['x.log'], json({ other: 'hi' })))).toEqual(['events_x_2']);
  expect(tablesOf(run(['x.log'], json({ svc: 'hi' })))).toEqual(['events_x']);
  expect(tablesOf(run(['x.log'], json({ msg: 'hi' })))).toEqual(['events']);
});

test('a folder has a bounded number of logs, and a damaged memory of them is an error with a way out', () => {
  const logs = Array.from({ length: 64 }, (_, i) => ({
    files: [`/l/${i}`],
    stream: `s${i}`,
    spec: { codec: {} },
    rollups: {},
  }));
  writeFileSync(join(folder, 'logs.json'), JSON.stringify({ version: 1, logs }));
  expect(() => run(['a.log'], ACCESS)).toThrow(/has 64 logs already/);
  for (const damage of ['{', '{"version":2,"logs":[]}', '[]', 'null']) {
    writeFileSync(join(folder, 'logs.json'), damage);
    expect(() => run(['a.log'], ACCESS)).toThrow(/logs.json cannot be read/);
  }
});
