import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEmbeddedLog } from '../../src/broker/embedded/embedded-log.ts';
import { dataDirOf } from '../../src/config/data-dir.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { accessLines } from '../support/access-lines.ts';
import { type Ended, tailrace, workFolder } from '../support/tailrace-process.ts';

const folder = workFolder();
const TOPIC = 'tailrace.epochs.logs.combined';
afterAll(() => folder.remove());

beforeAll(async () => {
  writeFileSync(join(folder.path, 'access.log'), accessLines(200));
  expect((await tailrace(['run', '--once', 'access.log'], { cwd: folder.path })).code).toBe(0);
}, 60_000);

const forget = (group: string): Promise<Ended> => tailrace(['lag', 'forget', group], { cwd: folder.path });

async function groups(): Promise<string[]> {
  const { stdout } = await tailrace(['lag', '--json'], { cwd: folder.path });
  return (JSON.parse(stdout) as { groups: { group: string }[] }).groups.map(({ group }) => group);
}

/** A reader that said so long ago that it has read the first message. */
async function report(group: string, agoMs: number): Promise<void> {
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() - agoMs };
  const path = dataDirOf(join(folder.path, 'tailrace-data')).broker;
  const log = openEmbeddedLog({ path, clock, diskMaxBytes: Number.MAX_SAFE_INTEGER });
  await log.report(group, TOPIC, 0, { offset: 1, id: 'x' });
  await log.close();
}

test('a reader that is gone is forgotten, and holds nothing any more', async () => {
  await report('logs.old', 120_000);
  expect(await groups()).toContain('logs.old');
  expect(await forget('logs.old')).toMatchObject({
    code: 0,
    stdout: 'forgotten: logs.old; what only it had not read is trimmed with the next checkpoints\n',
  });
  expect(await groups()).toEqual(['logs.warehouse', 'pipeline.logs']);
});

test('one that is at work, one that is needed and one that is not there are refused, with the way out', async () => {
  await report('logs.busy', 5_000);
  const refused = async (group: string): Promise<string> => {
    const { code, stderr } = await forget(group);
    expect(code).toBe(2);
    return stderr;
  };
  expect(await refused('logs.busy')).toMatch(
    /^tailrace: group logs.busy is at work: it reported \d+ s ago \(stop it, and wait a minute\)\n$/,
  );
  expect(await refused('logs.warehouse')).toContain('logs.warehouse is a reader of this configuration (take its sink');
  expect(await refused('logs.bsy')).toContain('nobody reads as group "logs.bsy" (did you mean "logs.busy"?)');
  expect(await groups()).toHaveLength(3);
});

test('with a broker that is away it says so in one line', async () => {
  const config = `version: 1
name: logs
broker: { type: kafka, brokers: ['127.0.0.1:1'], single_broker: true }
sources: { web: { type: file, include: [x.log], stream: access } }
streams: { access: { codec: { type: combined } } }
rollups: { t: { from: access, by: [], window: { type: tumbling, size: 1m }, measures: { n: count } } }
`;
  writeFileSync(join(folder.path, 'kafka.yaml'), config);
  const { code, stderr } = await tailrace(['lag', 'forget', 'logs.old', '-c', 'kafka.yaml'], { cwd: folder.path });
  expect([code, stderr.trim().split('\n').length]).toEqual([4, 1]);
  expect(stderr).toContain('no answer from Kafka');
});
