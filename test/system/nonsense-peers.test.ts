import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { AccessLoad } from '../support/access-load.ts';
import { type Appliance, withAppliance } from '../support/appliance.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { logEnds, storedTo } from '../support/log-probe.ts';
import { flood, frameOf, startNonsense } from '../support/nonsense-server.ts';
import { type ScriptedAnswer, startScriptedServer } from '../support/scripted-http.ts';
import { type Tailrace, processesOf, until } from '../support/tailrace-process.ts';

const MIB = 1024 * 1024;
/** What no process may pass, whatever it is sent. Without anything to do a role takes some 100 MiB, the warehouse twice that. */
const RSS_MIB_MAX = 512;
const TRACE = /^\s+at .+:\d+:\d+\)?$/m;

/** The most memory that any process of an appliance has had. */
function rssMibMax(appliance: Appliance): number {
  const peaks = processesOf(appliance.folder).map((pid) => {
    try {
      return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
    } catch {
      return 0;
    }
  });
  return Math.max(0, ...peaks);
}

/** For as long as a broken peer would need to do harm: it goes on, says so in words, and takes no memory. */
async function expectPatience(appliance: Appliance, run: Tailrace, forMs: number): Promise<void> {
  let peakMib = 0;
  const endMs = performance.now() + forMs;
  await until(
    () => {
      peakMib = Math.max(peakMib, rssMibMax(appliance));
      return run.child.exitCode !== null || performance.now() > endMs;
    },
    forMs + 60_000,
    () => run.stderr,
  );
  expect({ exitCode: run.child.exitCode, stderr: run.stderr }).toMatchObject({ exitCode: null });
  expect(run.stderr).not.toMatch(TRACE);
  expect(run.stderr).not.toContain('BUG');
  expect(peakMib).toBeGreaterThan(10);
  expect(peakMib).toBeLessThan(RSS_MIB_MAX);
}

describe('a broker that is none', () => {
  test.each<[string, (socket: Socket) => void]>([
    ['random bytes', (socket) => socket.write(randomBytes(65_536))],
    ['a frame of 2 GB', (socket) => flood(socket, frameOf(2 ** 31 - 1, 0))],
    ['an array of 2^31 − 1', (socket) => socket.write(frameOf(10, 0, Buffer.from('00007fffffff', 'hex')))],
    ['a page', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n')],
  ])(
    '%s: run says so and waits',
    async (_, answer) => {
      const server = await startNonsense((socket) => answer(socket));
      try {
        await withAppliance({ kafka: { brokers: [server.address] } as unknown as KafkaProbe }, async (appliance) => {
          writeFileSync(appliance.log('access.log'), new AccessLoad({ seed: 3 }).lines(1000));
          const run = appliance.supervised();
          const isSaid = (): boolean => run.stderr.includes('answers as no Kafka does') || run.child.exitCode !== null;
          await until(isSaid, 60_000, () => run.stderr);
          await expectPatience(appliance, run, 4000);
          expect(run.stderr).toContain(server.address);
          await appliance.stop();
        });
      } finally {
        await server.stop();
      }
    },
    180_000,
  );
});

describe('an Elasticsearch that is none', () => {
  const BOMB = gzipSync(Buffer.alloc(400 * MIB, '0,'), { level: 1 });
  test.each<[string, () => ScriptedAnswer]>([
    ['a gzip bomb', () => ({ status: 200, body: BOMB, headers: { 'content-encoding': 'gzip' } })],
    ['a redirect', () => ({ status: 302, headers: { location: 'http://127.0.0.1:1/' } })],
    ['{}', () => ({ status: 200, body: {} })],
    ['128 MiB', () => ({ status: 200, body: Buffer.alloc(128 * MIB, ' ') })],
  ])(
    '%s: its sink alone waits, and all lines come to their rows',
    async (_, answer) => {
      const server = await startScriptedServer(({ path }) =>
        path.startsWith('/_cluster/health') ? { status: 200, body: { status: 'green' } } : answer(),
      );
      const sinks = `
  warehouse: { type: duckdb }
  search: { type: elasticsearch, nodes: ['${server.url}'] }`;
      try {
        await withAppliance({ sinks, retain: '7d' }, async (appliance) => {
          writeFileSync(appliance.log('access.log'), new AccessLoad({ seed: 4 }).lines(5000));
          const run = appliance.supervised();
          const { dataDir } = appliance;
          const isStored = (): boolean => {
            const { raw, epochs } = logEnds(dataDir);
            return raw.end > 1 && epochs.end > 1 && storedTo(dataDir) >= epochs.end;
          };
          await until(
            () => (server.requests.length > 2 && isStored()) || run.child.exitCode !== null,
            120_000,
            () => run.stderr,
          );
          await expectPatience(appliance, run, 4000);
          expect(run.stderr).toMatch(/answered .*(bytes|redirect)|none of Elasticsearch's/);
          await appliance.stop();
        });
      } finally {
        await server.stop();
      }
    },
    240_000,
  );
});
