// How long a user waits: from the command to the first row in DuckDB, and from the death of an engine with 100,000 open rows until a
// new line is in DuckDB. `node test/bench/start.bench.ts [rounds]`
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { querySql } from '../../src/sinks/duckdb/client.ts';

const rounds = Number(process.argv[2] ?? 5);
const OPEN_ROWS = 100_000;

function config(folder: string): string {
  const path = join(folder, 'tailrace.yaml');
  writeFileSync(
    path,
    `version: 1
name: bench
data_dir: ./data
sources: { web: { type: file, include: [${join(folder, 'access.log')}], stream: access } }
streams: { access: { codec: { type: combined }, event_time: { out_of_orderness: 1h, idle_timeout: 1h, max_future: 3650d } } }
rollups:
  traffic: { from: access, by: [url.path], window: { type: tumbling, size: 1m }, measures: { requests: count } }
`,
  );
  return path;
}

const line = (path: string): string =>
  `192.0.2.7 - - [22/Nov/2026:10:00:00 +0000] "GET ${path} HTTP/1.1" 200 512 "https://www.example.org/" "Mozilla/5.0 (X11; Linux x86_64)"\n`;

function start(path: string): ChildProcess {
  return spawn(process.execPath, ['dist/main.js', 'run', '-c', path], { stdio: 'ignore' });
}

/** Resolves to the moment when the query's first cell is at least `wanted`. */
async function until(folder: string, sql: string, wanted: number): Promise<number> {
  const target = { socketPath: join(folder, 'data/run/sql.sock'), databasePath: join(folder, 'data/none.duckdb') };
  for (;;) {
    try {
      const { rows } = await querySql(target, sql);
      if (Number(rows[0]?.[0] ?? 0) >= wanted) return performance.now();
    } catch {
      // Not up yet, or no table yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function childOf(pid: number, role: string): number {
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const isChild = Number(/PPid:\s+(\d+)/.exec(readFileSync(`/proc/${name}/status`, 'utf8'))![1]) === pid;
      if (isChild && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`main.js\0${role}\0`)) return Number(name);
    } catch {
      // Ended between the two reads.
    }
  }
  throw new Error(`no ${role} under ${pid}`);
}

const firsts: number[] = [];
const restarts: number[] = [];
for (let round = 0; round < rounds; round++) {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-start-'));
  const path = config(folder);
  writeFileSync(join(folder, 'access.log'), line('/first'));
  const startedMs = performance.now();
  const child = start(path);
  firsts.push((await until(folder, 'SELECT count(*) FROM traffic', 1)) - startedMs);
  appendFileSync(join(folder, 'access.log'), Array.from({ length: OPEN_ROWS }, (_, i) => line(`/page/${i}`)).join(''));
  await until(folder, 'SELECT count(*) FROM traffic', OPEN_ROWS + 1);
  process.kill(childOf(child.pid!, 'engine'), 'SIGKILL');
  const killedMs = performance.now();
  appendFileSync(join(folder, 'access.log'), line('/first'));
  restarts.push((await until(folder, "SELECT requests FROM traffic WHERE url_path = '/first'", 2)) - killedMs);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
  rmSync(folder, { recursive: true });
}
const show = (values: number[]): string => {
  const sorted = values.toSorted((a, b) => a - b);
  return `median ${sorted[Math.floor(sorted.length / 2)]!.toFixed(0)} ms, ${sorted[0]!.toFixed(0)}–${sorted.at(-1)!.toFixed(0)}`;
};
console.log(`command to first row in DuckDB: ${show(firsts)}`);
console.log(`kill -9 of the engine with ${OPEN_ROWS} open rows to a new line in DuckDB: ${show(restarts)}`);
