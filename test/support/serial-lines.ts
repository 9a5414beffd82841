import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEmbeddedLog } from '../../src/broker/embedded/embedded-log.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { AuditResult } from '../../src/query/audit.ts';
import { accessLine } from './access-lines.ts';
import { type Appliance, type ApplianceOptions } from './appliance.ts';
import { logEnds } from './log-probe.ts';
import { tailrace, until } from './tailrace-process.ts';

/** Event time between two lines: a minute of it is 600 lines, so windows close while a test runs. */
const STEP_MS = 100;
const WINDOW_MS = 60_000;
/** No line is shorter. */
const LINE_BYTES_MIN = 70;
const START_MS = Date.UTC(2026, 0, 1);

/** A table with a row for each line that was ever written; raw is kept, so that a test can see what was sent. */
export const SERIAL_OPTIONS: ApplianceOptions = {
  outOfOrderness: '2h',
  retain: '7d',
  rollups: `
  lines: { from: access, by: [url.path], window: { type: tumbling, size: 1m }, measures: { n: count } }`,
};

/** Writes lines that are all different, and knows which of them may be missing in the end: no line may be there twice. */
export class SerialLines {
  /** The number of the first line. Several writers on one appliance have ranges of their own. */
  readonly first: number;
  /** The number of the last line written so far. */
  written: number;
  /** Lines that were in no file any more before anybody was sure to have read them. */
  readonly destroyed = new Set<number>();
  #timeMs = START_MS;

  constructor(first = 1) {
    this.first = first;
    this.written = first - 1;
  }

  /** The next `count` lines, for a writer that has files of its own. */
  take(count: number): string {
    const lines: string[] = [];
    for (let i = 0; i < count; i++) {
      const serial = ++this.written;
      this.#timeMs += STEP_MS;
      lines.push(accessLine(serial, this.#timeMs).replace(/\/page\/\d+/, `/l/${serial}`));
    }
    return `${lines.join('\n')}\n`;
  }

  /** Begins another window: what came before may be final by now. */
  nextWindow(): void {
    this.#timeMs = Math.ceil(this.#timeMs / WINDOW_MS) * WINDOW_MS;
  }

  append(path: string, count: number): void {
    appendFileSync(path, this.take(count));
  }

  /** Writes lines that are to be destroyed before they can be read for sure. */
  appendDoomed(path: string, count: number): void {
    const first = this.written + 1;
    this.append(path, count);
    for (let serial = first; serial <= this.written; serial++) this.destroyed.add(serial);
  }
}

/** Follows the raw log of a running appliance: which lines were sent, and how often. */
export class SentLines {
  readonly counts = new Map<number, number>();
  readonly #appliance: Appliance;
  #log: ReturnType<typeof openEmbeddedLog> | undefined;
  #offset = 0;

  constructor(appliance: Appliance) {
    this.#appliance = appliance;
  }

  /** Waits until a line that was just written has been sent. */
  async has(serial: number): Promise<void> {
    const isThere = async (): Promise<boolean> => {
      await this.#readOn();
      return this.counts.has(serial);
    };
    await until(isThere, 120_000, () => `line ${serial} was not sent: ${this.#appliance.report()}`);
  }

  /** Opened once there is something in it: it is others who make it. */
  #opened(): ReturnType<typeof openEmbeddedLog> | undefined {
    const { dataDir } = this.#appliance;
    if (this.#log !== undefined || logEnds(dataDir).raw.end === 0) return this.#log;
    const path = join(dataDir, 'broker.db');
    const log = openEmbeddedLog({ path, clock: systemClock, diskMaxBytes: Number.MAX_SAFE_INTEGER });
    this.#appliance.onRemove(() => void log.close());
    return (this.#log = log);
  }

  async #readOn(): Promise<void> {
    const log = this.#opened();
    if (log === undefined) return;
    for await (const messages of log.read('tailrace.raw.access', 0, this.#offset, { isFollowing: false })) {
      for (const { offset, kind, value } of messages) {
        this.#offset = offset + 1;
        if (kind !== 'block') continue;
        for (const [, serial] of Buffer.from(value)
          .toString('latin1')
          .matchAll(/ \/l\/(\d+) /g))
          this.counts.set(Number(serial), (this.counts.get(Number(serial)) ?? 0) + 1);
      }
    }
  }
}

/** Runs of consecutive lines that count equally often, and with each of them how many lines are late or dead. */
const ISLANDS = `
  select min(serial) as first, max(serial) as last, any_value(n) as n,
    (select count(*) from tailrace.late) as late, (select count(*) from tailrace.dead_letters) as dead
  from (select *, serial - row_number() over (partition by n order by serial) as island
    from (select cast(substr(url_path, 4) as bigint) as serial, cast(sum(n) as bigint) as n from lines group by url_path))
  group by island, n order by first limit 500`;

export interface Judgement {
  /** What is not as it was written; empty if each line counts once. */
  readonly differences: readonly string[];
  /** Lines that count more than once; none of them is a difference if the audit says that so many bytes may be double. */
  readonly doubled: number;
  readonly possibleLossBytes: number;
}

/** The lines of the log files in a folder, at any depth. */
export interface Written {
  readonly lines: SerialLines;
  readonly folder: string;
}

/** Ends what runs, lets `run --once` read and store the rest, and compares the table with what was written, by SQL and by the audit. */
export async function judge(appliance: Appliance, lines: SerialLines): Promise<Judgement> {
  await appliance.stop();
  const [judgement] = await compare(appliance, [{ lines, folder: appliance.logs }], await appliance.drain());
  return judgement!;
}

/** Compares after the drain whose audit is given; a judgement for each writer, with what cannot be told apart in all of them. */
export async function compare(
  appliance: Appliance,
  written: readonly Written[],
  audit: AuditResult,
): Promise<readonly Judgement[]> {
  const common = [...audit.differences];
  if (audit.lost !== 0 || audit.doubled !== 0) common.push(`lost ${audit.lost}, doubled ${audit.doubled}`);
  const counts = new Uint8Array(Math.max(...written.map(({ lines }) => lines.written)) + 1);
  const islands = await rowsOf(appliance, ISLANDS);
  for (const [first, last, n] of islands) counts.fill(n!, first, last! + 1);
  const stored = counts.reduce((sum, count) => sum + count, 0);
  if (audit.sent !== stored) common.push(`${stored} lines in the table, the audit says ${audit.sent}`);
  const [, , , late = 0, dead = 0] = islands[0] ?? [];
  if (late !== 0 || dead !== 0) common.push(`${late} late lines, ${dead} dead letters`);
  return written.map((one) => judgementOf(one, counts, audit, common));
}

function judgementOf(
  { lines, folder }: Written,
  counts: Uint8Array,
  audit: AuditResult,
  common: readonly string[],
): Judgement {
  const differences = [...common];
  const missing: number[] = [];
  const doubled: number[] = [];
  for (let serial = lines.first; serial <= lines.written; serial++) {
    if (counts[serial]! > 1) doubled.push(serial);
    if (counts[serial] === 0 && !lines.destroyed.has(serial)) missing.push(serial);
  }
  if (missing.length > 0)
    differences.push(`${missing.length} of the lines up to ${lines.written} are missing: ${spans(missing)}`);
  const sources = audit.sources.filter(({ path }) => path.startsWith(`${folder}/`));
  const saidBytes = sources.reduce((sum, source) => sum + source.possibleDoubleBytes, 0);
  if (doubled.length * LINE_BYTES_MIN > saidBytes)
    differences.push(`${doubled.length} lines are there twice, ${saidBytes} bytes are said to be: ${spans(doubled)}`);
  const possibleLossBytes = sources.reduce((sum, source) => sum + source.possibleLossBytes, 0);
  return { differences, doubled: doubled.length, possibleLossBytes };
}

async function rowsOf(appliance: Appliance, query: string): Promise<number[][]> {
  const { stdout, stderr } = await tailrace(['sql', query, '-c', appliance.config, '--json'], {
    cwd: appliance.folder,
  });
  if (stdout === '') throw new Error(`sql failed: ${stderr}`);
  return (JSON.parse(stdout) as { rows: unknown[][] }).rows.map((row) => row.map(Number));
}

/** `1-40, 50` of ascending numbers. */
function spans(numbers: readonly number[]): string {
  const found: [number, number][] = [];
  for (const number of numbers) {
    const last = found.at(-1);
    if (last?.[1] === number - 1) last[1] = number;
    else found.push([number, number]);
  }
  const more = found.length > 8 ? ', …' : '';
  return (
    found
      .slice(0, 8)
      .map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`))
      .join(', ') + more
  );
}
