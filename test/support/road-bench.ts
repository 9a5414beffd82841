// What the benchmarks of the whole road share: the file, a cold `run --once` with the CPU of its process tree, and the comparison with plain SQL.
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { EXIT } from '../../src/lib/errors.ts';

const TICKS_PER_SECOND = 100;
const cache = join(tmpdir(), 'tailrace-bench');
const MAIN = 'dist/main.js';

/** The pipeline of the road; `head` has what comes before its sources: data_dir, broker. */
export const roadConfig = (file: string, head: string, partitions = 1): string => `version: 1
name: bench
data_dir: ./data
${head}
sources: { web: { type: file, include: [${file}], stream: access } }
streams: { access: { codec: { type: combined }, partitions: ${partitions}, event_time: { out_of_orderness: 60s, max_future: 3650d } } }
rollups:
  traffic:
    from: access
    by: [url.path, http.response.status_code]
    window: { type: tumbling, size: 1m }
    measures: { requests: count, bytes: sum(http.response.body.bytes) }
`;

/** User and system time of all children that have ended and were waited for, with theirs: seconds. */
function childrenCpuSeconds(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

/** A file of combined lines, made once and kept for the next time. */
export function roadFile(lines: number): string {
  const file = join(cache, `combined-${lines}.log`);
  if (existsSync(file)) return file;
  mkdirSync(cache, { recursive: true });
  const flags = [
    '-f',
    'combined',
    '-n',
    String(lines),
    '--seed',
    '7',
    '--start',
    '2026-11-22T10:00:00Z',
    '--span',
    '1h',
    '--paths',
    '1000',
  ];
  const made = spawnSync(process.execPath, [MAIN, 'gen', ...flags, '-o', `${file}.new`], { stdio: 'inherit' });
  if (made.status !== 0) throw new Error('tailrace gen failed');
  renameSync(`${file}.new`, file);
  return file;
}

interface RoleUse {
  peakMiB: number;
  cpuSeconds: number;
}

/** Peak resident memory and CPU of each role, by its command line: looked at four times a second, so the last moments are missing. */
function watchRoles(root: number): { roles: () => Map<string, RoleUse>; stop: () => void } {
  const byPid = new Map<string, RoleUse & { role: string }>();
  const timer = setInterval(() => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        const parent = Number(/PPid:\s+(\d+)/.exec(status)![1]);
        if (parent !== root && Number(pid) !== root) continue;
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        const role = words[words.findIndex((word) => word.endsWith('main.js')) + 1];
        if (role === undefined) continue;
        const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
        byPid.set(pid, {
          role,
          peakMiB: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024,
          cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
        });
      } catch {
        // The process has ended between the two reads.
      }
    }
  }, 250);
  const roles = (): Map<string, RoleUse> => {
    const found = new Map<string, RoleUse>();
    for (const { role, peakMiB, cpuSeconds } of byPid.values()) {
      const known = found.get(role) ?? { peakMiB: 0, cpuSeconds: 0 };
      found.set(role, { peakMiB: Math.max(known.peakMiB, peakMiB), cpuSeconds: known.cpuSeconds + cpuSeconds });
    }
    return found;
  };
  return { roles, stop: () => clearInterval(timer) };
}

export interface Round {
  wallSeconds: number;
  cpuSeconds: number;
  roles: Map<string, RoleUse>;
  folder: string;
}

/** One cold start to the last row. */
export async function runRoad(config: string): Promise<Round> {
  const folder = mkdtempSync(join(cache, 'run-'));
  writeFileSync(join(folder, 'tailrace.yaml'), config);
  const cpuBefore = childrenCpuSeconds();
  const startedMs = performance.now();
  const child = spawn(process.execPath, [MAIN, 'run', '--once', '--json', '-c', join(folder, 'tailrace.yaml')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const watch = watchRoles(child.pid!);
  const code = await new Promise<number | null>((resolve) => child.on('exit', resolve));
  watch.stop();
  if (code !== 0 && code !== EXIT.unusedLines) throw new Error(`run --once ended with ${code}`);
  return {
    wallSeconds: (performance.now() - startedMs) / 1000,
    cpuSeconds: childrenCpuSeconds() - cpuBefore,
    roles: watch.roles(),
    folder,
  };
}

/** Rows that differ between the table and plain SQL over the file: no code is shared. */
export async function roadDifferences(file: string, folder: string): Promise<number> {
  const database = await DuckDBInstance.create(join(folder, 'data', 'warehouse.duckdb'), { access_mode: 'READ_ONLY' });
  const connection = await database.connect();
  const sql = `WITH parsed AS (
      SELECT regexp_extract(line, '^\\S+ \\S+ \\S+ \\[([^\\]]+)\\] "\\S+ ([^ ?#]+)[^"]*" (\\d+) (\\S+)', ['stamp', 'path', 'status', 'bytes']) AS f
      FROM read_csv('${file}', columns = {line: 'VARCHAR'}, delim = '\\x01', quote = '', escape = '', header = false)
    ), expected AS (
      SELECT time_bucket(INTERVAL 1 MINUTE, strptime(f.stamp, '%d/%b/%Y:%H:%M:%S +0000') AT TIME ZONE 'UTC') AS window_start,
        f.path AS url_path, f.status::BIGINT AS http_response_status_code, count(*) AS requests, sum(TRY_CAST(f.bytes AS BIGINT))::BIGINT AS bytes
      FROM parsed GROUP BY ALL
    ), stored AS (SELECT window_start, url_path, http_response_status_code, requests, bytes FROM traffic)
    SELECT (SELECT count(*) FROM (FROM expected EXCEPT ALL FROM stored)) + (SELECT count(*) FROM (FROM stored EXCEPT ALL FROM expected)) AS n`;
  await connection.run("SET TimeZone='UTC'");
  const answer = (await connection.runAndReadAll(sql)).getRowsJson();
  connection.closeSync();
  database.closeSync();
  return Number(answer[0]![0]);
}

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Runs the road some times, says how each went, and last whether its rows are those of plain SQL; `config` may differ by round. */
export async function benchRoad(
  lines: number,
  rounds: number,
  config: (file: string, round: number) => string,
): Promise<void> {
  const file = roadFile(lines);
  const bytes = statSync(file).size;
  console.log(`${lines} lines, ${(bytes / 1e6).toFixed(0)} MB, ${(bytes / lines).toFixed(0)} B a line`);
  const rate = (seconds: number): string => `${(lines / seconds / 1e6).toFixed(2)} M`;
  const done: Round[] = [];
  for (let round = 1; round <= rounds; round++) {
    const result = await runRoad(config(file, round));
    done.push(result);
    const roles = [...result.roles]
      .map(([role, { peakMiB, cpuSeconds }]) => `${role} ${cpuSeconds.toFixed(1)} CPU-s, ${peakMiB.toFixed(0)} MiB`)
      .join('; ');
    console.log(
      `round ${round}: ${result.wallSeconds.toFixed(2)} s, ${result.cpuSeconds.toFixed(2)} CPU-s: ${rate(result.wallSeconds)} lines/s, ${rate(result.cpuSeconds)} lines per CPU-s; ${roles}`,
    );
    if (round === rounds)
      console.log(`rows that differ from plain SQL over the file: ${await roadDifferences(file, result.folder)}`);
    rmSync(result.folder, { recursive: true });
  }
  console.log(
    `median: ${rate(median(done.map((r) => r.wallSeconds)))} lines/s, ${rate(median(done.map((r) => r.cpuSeconds)))} lines per CPU-second`,
  );
}
