// What Tailrace costs when nothing happens: `tailrace run` on a file that does not grow, all its processes together, on the embedded log and on
// a real Kafka, where the difference is kafkajs and the fetches that wait. `node test/bench/idle.bench.ts [seconds] [embedded|kafka]`
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startKafka } from '../support/stack/kafka.ts';
import { roadConfig } from '../support/road-bench.ts';

const seconds = Number(process.argv[2] ?? 120);
const only = process.argv[3];
const SETTLE_SECONDS = 20;
const TICKS_PER_SECOND = 100;
const AGENT = '00000000-0000-4000-8000-00000000be7c';
const LINE =
  '192.0.2.7 - - [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 512 "https://www.example.org/" "Mozilla/5.0 (X11; Linux x86_64)"\n';

/** CPU seconds so far of a process and of its children, by role. */
function cpuByRole(root: number): Map<string, number> {
  const found = new Map<string, number>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const parent = Number(/PPid:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
      if (parent !== root && Number(pid) !== root) continue;
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      const role = words[words.findIndex((word) => word.endsWith('main.js')) + 1] ?? '?';
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
      found.set(role, (found.get(role) ?? 0) + (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND);
    } catch {
      // The process has ended between the two reads.
    }
  }
  return found;
}

async function measure(name: string, head: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-idle-'));
  const log = join(folder, 'access.log');
  writeFileSync(log, LINE);
  writeFileSync(join(folder, 'tailrace.yaml'), roadConfig(log, head));
  const child: ChildProcess = spawn(process.execPath, ['dist/main.js', 'run', '-c', join(folder, 'tailrace.yaml')], {
    stdio: 'ignore',
  });
  try {
    await sleep(SETTLE_SECONDS * 1000);
    const before = cpuByRole(child.pid!);
    await sleep(seconds * 1000);
    const after = cpuByRole(child.pid!);
    const shares = [...after].map(([role, cpu]) => [role, (100 * (cpu - (before.get(role) ?? 0))) / seconds] as const);
    const total = shares.reduce((sum, [, share]) => sum + share, 0);
    const parts = shares.map(([role, share]) => `${role} ${share.toFixed(2)} %`).join(', ');
    console.log(`${name}: ${total.toFixed(2)} % of a core over ${seconds} s (${parts})`);
    return total;
  } finally {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true });
  }
}

const embedded = only === 'kafka' ? undefined : await measure('embedded log', '');
if (only !== 'embedded') {
  const kafka = await startKafka();
  try {
    const broker = `broker: { type: kafka, brokers: ['${kafka.brokers[0]!}'], single_broker: true }`;
    const onKafka = await measure('Kafka', `${broker}\nagent: { id: ${AGENT} }`);
    if (embedded !== undefined)
      console.log(`share of the Kafka client: ${(onKafka - embedded).toFixed(2)} % of a core`);
  } finally {
    await kafka.stop();
  }
}
