// The embedded log: appends of two blocks of 512 KiB, each append one fsync'd commit, and reading them back; then what idling costs.
// `node test/bench/log.bench.ts [MiB]`
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OutgoingMessage } from '../../src/broker/broker.ts';
import { openEmbeddedLog } from '../../src/broker/embedded/embedded-log.ts';
import { systemClock } from '../../src/lib/clock.ts';

const TOPIC = 'bench.raw.access';
const BLOCK_BYTES = 512 * 1024;
const MIB = 1024 * 1024;
const IDLE_SECONDS = 20;
const LINE_COUNT = 40_000;

/** Combined log lines as a busy site writes them: some thousand clients and paths, few agents. Seeded (xorshift32). */
function combinedLines(): string[] {
  let state = 42;
  const below = (n: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
  const agents = [
    '120.0.0.0 Safari/537.36',
    '121.0 Firefox/121.0',
    '17.2 Safari/605.1.15',
    '2.1; +http://bot.example.org',
  ];
  const paths = ['products', 'images', 'blog', 'api/v1/cart', 'search'];
  return Array.from({ length: LINE_COUNT }, (_, i) => {
    const client = `${10 + below(40)}.${below(256)}.${below(64)}.7`;
    const time = `22/Nov/2026:10:${String(Math.floor(i / 1000) % 60).padStart(2, '0')}:${String(Math.floor(i / 16) % 60).padStart(2, '0')}`;
    const path = `/${paths[below(5)]}/${below(3000)}`;
    const referrer = below(3) === 0 ? '-' : `http://www.example.org/${paths[below(5)]}/`;
    const agent = `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ${agents[below(4)]}`;
    return `${client} - - [${time} +0000] "GET ${path} HTTP/1.1" ${below(20) === 0 ? 404 : 200} ${below(60_000)} "${referrer}" "${agent}"`;
  });
}

/** Blocks of whole lines, each beginning at another line. */
function makeBlocks(count: number): { blocks: OutgoingMessage[]; lines: number } {
  const all = combinedLines();
  const header = new TextEncoder().encode('{"source":"0b9b5b5e-1","start":0,"end":524288,"lines":2900}');
  let lines = 0;
  const blocks = Array.from({ length: count }, (_, b): OutgoingMessage => {
    const picked: string[] = [];
    for (let i = b * 997, bytes = 0; bytes < BLOCK_BYTES; i++) {
      const line = all[i % LINE_COUNT]!;
      bytes += line.length + 1;
      picked.push(line);
    }
    lines += picked.length;
    return { kind: 'block', header, value: new TextEncoder().encode(picked.join('\n')) };
  });
  return { blocks, lines };
}

function measure(): () => { wallMs: number; cpuMs: number } {
  const startMs = systemClock.monotonicMs();
  const cpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { wallMs: systemClock.monotonicMs() - startMs, cpuMs: (user + system) / 1000 };
  };
}

function folderBytes(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

const folder = mkdtempSync(join(tmpdir(), 'tailrace-bench-'));
try {
  const totalMib = Number(process.argv[2] ?? 512);
  const open = () =>
    openEmbeddedLog({ path: join(folder, 'broker.db'), clock: systemClock, diskMaxBytes: 8 * 1024 ** 3 });
  const log = open();
  await log.ensureTopics([{ topic: TOPIC, partitions: 1, messageBytesMax: MIB }]);
  const { blocks, lines } = makeBlocks(64);
  const plainBytes = blocks.reduce((sum, { value }) => sum + value.length, 0) / blocks.length;
  const report = (name: string, mib: number, spent: { wallMs: number; cpuMs: number }): void => {
    const count = ((mib * MIB) / plainBytes / blocks.length) * lines;
    const rate = (ms: number): string =>
      `${((mib / ms) * 1000).toFixed(0)} MiB/s ${(count / ms / 1000).toFixed(2)} M lines/s`;
    console.log(`${name.padEnd(22)} wall ${rate(spent.wallMs)}   CPU ${rate(spent.cpuMs)}`);
  };

  const commitMs: number[] = [];
  let stop = measure();
  for (let n = 0; n < totalMib; n++) {
    const startMs = systemClock.monotonicMs();
    await log.append(TOPIC, 0, [blocks[(2 * n) % 64]!, blocks[(2 * n + 1) % 64]!]);
    commitMs.push(systemClock.monotonicMs() - startMs);
  }
  report('append, 1 MiB a commit', totalMib, stop());
  commitMs.sort((a, b) => a - b);
  const quantile = (q: number): string => commitMs[Math.floor(q * (commitMs.length - 1))]!.toFixed(1);
  console.log(`${''.padEnd(22)} ms an append: p50 ${quantile(0.5)}  p99 ${quantile(0.99)}  max ${quantile(1)}`);
  const ratio = (totalMib * MIB) / log.usage().bytes;
  console.log(`${''.padEnd(22)} ${ratio.toFixed(1)}:1 on disk, folder ${(folderBytes(folder) / MIB).toFixed(1)} MiB`);

  for (const [name, hasValues] of [
    ['read + decompress', true],
    ['read envelopes', false],
  ] as const) {
    stop = measure();
    let messages = 0;
    for await (const batch of log.read(TOPIC, 0, 0, { isFollowing: false, hasValues })) messages += batch.length;
    report(name, (messages * plainBytes) / MIB, stop());
  }

  stop = measure();
  await log.trim(TOPIC, 0, 2 * totalMib);
  console.log(`trim                   ${stop().wallMs.toFixed(0)} ms for ${2 * totalMib} blocks`);

  const other = open();
  const abort = new AbortController();
  const following = (async () => {
    const options = { isFollowing: true, waitMsMax: 1000, signal: abort.signal };
    for await (const batch of other.read(TOPIC, 0, 1 + 2 * totalMib, options)) void batch;
  })();
  await systemClock.sleep(1000);
  stop = measure();
  await systemClock.sleep(IDLE_SECONDS * 1000);
  const idle = stop();
  console.log(`one idle follower      ${((100 * idle.cpuMs) / idle.wallMs).toFixed(2)} % of a core`);
  abort.abort();
  await following;
  await other.close();
  await log.close();
} finally {
  rmSync(folder, { recursive: true });
}
