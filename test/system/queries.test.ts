import { expect, test } from '@jest/globals';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { epochTopic } from '../../src/broker/broker.ts';
import { openEmbeddedLog } from '../../src/broker/embedded/embedded-log.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { OperatingError } from '../../src/lib/errors.ts';
import { querySql } from '../../src/sinks/duckdb/client.ts';
import { type Appliance, withAppliance } from '../support/appliance.ts';
import { beginLoad, verdictOf } from '../support/load-runs.ts';
import { type Tailrace, tailrace, until } from '../support/tailrace-process.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const EACH_MS = IS_SOAK ? 60_000 : 3000;
const LINES_PER_SECOND = IS_SOAK ? 20_000 : 5000;
const ROTATE_BYTES = 64 * 1024 * 1024;
/** What the bounds are for; a slow machine that also runs other tests gets more patience. */
const PATIENCE = IS_SOAK ? 1 : 6;
const BEHIND_MS_MAX = 5000 * PATIENCE;
const ANSWER_MS_MAX = 5000 * PATIENCE;
/** The watch needs its turn on a core to see what a query takes: at 2 GB/s, late by a tenth of a second. */
const RSS_BYTES_MAX = 512_000_000 * (IS_SOAK ? 1 : 2);

const numbered = (count: number, text: (i: number) => string, between: string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join(between);

/** Each holds DuckDB in another of its parts: a function over one value, the planner, one large value, one large table, the parser. */
const KILLERS = {
  /** What the machine does without any. */
  none: 'select 2',
  like: `select count(*) from traffic where url_path like '${'%a_'.repeat(43)}b'`,
  joins: `select count(*) from ${numbered(150, (i) => `traffic t${i}`, ', ')} where ${numbered(149, (i) => `t${i}.requests = t${i + 1}.requests`, ' and ')}`,
  printf: `select length(printf('%' || (20000 * 100000)::varchar || 'd', 1))`,
  damerau_levenshtein: `select damerau_levenshtein(string_agg(i::varchar, ''), string_agg((i + 1)::varchar, '')) from range(30000) as t(i)`,
  union_all: numbered(4000, (i) => `select ${i}`, ' union all '),
};

const targetOf = ({
  dataDir,
}: Appliance): { socketPath: string; databasePath: string; isSupervised: () => boolean } => ({
  socketPath: join(dataDir, 'run', 'sql.sock'),
  databasePath: join(dataDir, 'warehouse.duckdb'),
  isSupervised: () => true,
});

/** The largest of what is looked at again and again, until `stop`. */
class Watch {
  readonly #stop = new AbortController();
  readonly #looks: Promise<void>[] = [];
  behindMs = 0;
  answerMs = 0;
  rssBytes = 0;
  readonly errors: string[] = [];

  constructor(appliance: Appliance) {
    this.#looks.push(this.#behind(appliance), this.#memory(appliance), this.#answers(appliance));
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#looks);
  }

  /** How long after an epoch was seen in the log it was seen in the tables. */
  async #behind(appliance: Appliance): Promise<void> {
    const path = join(appliance.dataDir, 'broker.db');
    const log = openEmbeddedLog({ path, clock: systemClock, diskMaxBytes: 1e12 });
    const topic = epochTopic('tailrace', 'web', 'access');
    const seen: { readonly end: number; readonly atMs: number }[] = [];
    const look = this.#every(50, async () => {
      const [ends] = await log.ends(topic);
      if (seen.at(-1)?.end !== ends!.end) seen.push({ end: ends!.end, atMs: systemClock.monotonicMs() });
    });
    const sql = `select max("offset") from tailrace.cursors where topic = '${topic}'`;
    await this.#every(50, async () => {
      const { rows } = await querySql(targetOf(appliance), sql, { lane: 'own' }).catch(() => ({ rows: [[0]] }));
      while (seen.length > 0 && seen[0]!.end <= Number(rows[0]![0])) {
        this.behindMs = Math.max(this.behindMs, systemClock.monotonicMs() - seen.shift()!.atMs);
      }
    });
    await look;
    await log.close();
  }

  #memory(appliance: Appliance): Promise<void> {
    return this.#every(10, () => {
      const pid = appliance.pidOf('sink-warehouse');
      const status = `/proc/${pid}/status`;
      try {
        const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(status, 'utf8'))?.[1];
        this.rssBytes = Math.max(this.rssBytes, Number(peak ?? 0) * 1024);
      } catch {
        // It died between two looks.
      }
      return Promise.resolve();
    });
  }

  #answers(appliance: Appliance): Promise<void> {
    return this.#every(300, async () => {
      const startedMs = systemClock.monotonicMs();
      // It may be ended with another one that took the memory; then it is asked again, as a person would.
      for (let outcome = ''; outcome !== 'answered';) {
        outcome = await outcomeOf(appliance, 'select 1');
        if (outcome !== 'answered') this.errors.push(outcome);
      }
      this.answerMs = Math.max(this.answerMs, systemClock.monotonicMs() - startedMs);
    });
  }

  async #every(pauseMs: number, look: () => Promise<void>): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await look();
      await systemClock.sleep(pauseMs, this.#stop.signal);
    }
  }
}

/** The code of a query's error; `answered` where it had none. */
async function outcomeOf(appliance: Appliance, sql: string): Promise<string> {
  try {
    await querySql(targetOf(appliance), sql);
    return 'answered';
  } catch (error) {
    if (error instanceof OperatingError) return error.code;
    throw error;
  }
}

const endedOf = ({ stderr }: Tailrace): number => stderr.split('ended (signal').length - 1;

/** A visitor whose URL is 8 kB long. */
function arm(appliance: Appliance): void {
  const line = `192.0.2.1 - - [17/May/2015:10:00:01 +0000] "GET /${'a'.repeat(8000)} HTTP/1.1" 200 5 "-" "-"\n`;
  appendFileSync(appliance.log('visitor.log'), line);
}

test(`no query holds the warehouse: each for ${EACH_MS / 1000} s, ever new, under ${LINES_PER_SECOND} lines/s`, () =>
  withAppliance({ outOfOrderness: '5m', idleTimeout: '10s', interval: '1s' }, async (appliance) => {
    arm(appliance);
    const writer = await beginLoad(appliance, LINES_PER_SECOND, ROTATE_BYTES);
    const run = appliance.supervised();
    await until(
      async () => (await outcomeOf(appliance, 'select 1 from traffic limit 1')) === 'answered',
      120_000,
      () => run.stderr,
    );
    const table: string[] = [];
    for (const [name, sql] of Object.entries(KILLERS)) {
      const watch = new Watch(appliance);
      const outcomes = new Map<string, number>();
      const endedBefore = endedOf(run);
      const endMs = systemClock.monotonicMs() + EACH_MS;
      for (let i = 0; systemClock.monotonicMs() < endMs; i++) {
        const outcome = await outcomeOf(appliance, `${sql} -- ${i}`);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
      await watch.end();
      const said = [...outcomes].map(([outcome, count]) => `${count} ${outcome}`).join(', ');
      table.push(
        `  ${name.padEnd(20)} behind ${Math.round(watch.behindMs)} ms, select 1 ${Math.round(watch.answerMs)} ms, RSS ${Math.round(watch.rssBytes / 1e6)} MB, process ended ${endedOf(run) - endedBefore}: ${said}${watch.errors.length === 0 ? '' : `; select 1: ${watch.errors.join(', ')}`}`,
      );
      process.stderr.write(`${table.at(-1)}\n`);
      expect(watch.behindMs).toBeLessThan(BEHIND_MS_MAX);
      expect(watch.answerMs).toBeLessThan(ANSWER_MS_MAX);
      expect(watch.rssBytes).toBeLessThan(RSS_BYTES_MAX);
    }
    expect(run.child.exitCode).toBeNull();
    writer.stop();
    expect((await verdictOf(appliance)).differences).toEqual([]);
  }));

test('a query that ended the process twice is refused, the others are answered, and run says it once', () =>
  withAppliance({}, async (appliance) => {
    arm(appliance);
    const run = appliance.supervised();
    await run.says(/caught up/);
    const sql = KILLERS.damerau_levenshtein;
    const ask = (): Promise<{ code: number | null; stderr: string }> =>
      tailrace(['sql', '-c', appliance.config, sql], { cwd: appliance.folder });
    for (const words of [
      /was ended while this query ran/,
      /was ended while this query ran|it is refused for a day/,
      /it is refused for a day/,
    ])
      expect(await ask()).toMatchObject({ code: 1, stderr: expect.stringMatching(words) });
    await until(
      () => endedOf(run) === 2,
      60_000,
      () => run.stderr,
    );
    const said = run.stderr.split('\n').filter((line) => line.includes('damerau_levenshtein'));
    expect(said).toHaveLength(2);
    expect(said[0]).toMatch(
      /^sink warehouse: a query ended this process \(it took too much memory.*\): select damerau/,
    );
    expect(await outcomeOf(appliance, 'select 1')).toBe('answered');
    expect((await appliance.audit()).code).toBe(0);
    // It outlives the process, and the run.
    await appliance.stop();
    const alone = { ...targetOf(appliance), isSupervised: () => false };
    await expect(querySql(alone, sql)).rejects.toMatchObject({ code: 'SQL_HARMFUL' });
    expect(existsSync(join(appliance.dataDir, 'warehouse.duckdb.refused.json'))).toBe(true);
  }));

test('with a replica a query ends only the process that answers, and the log keeps what that one has not read', () =>
  withAppliance({ sinks: '\n  warehouse: { type: duckdb, query: { replica: true } }' }, async (appliance) => {
    arm(appliance);
    const run = appliance.supervised();
    await run.says(/caught up/);
    const writer = appliance.pidOf('sink-warehouse');
    const replica = appliance.pidOf('sink-warehouse-replica');
    expect(await outcomeOf(appliance, KILLERS.damerau_levenshtein)).toBe('SQL_HARMFUL');
    expect(run.stderr).toContain('sink warehouse replica ended (signal SIGALRM, for a query)');
    expect(appliance.pidOf('sink-warehouse')).toBe(writer);
    expect(appliance.pidOf('sink-warehouse-replica')).not.toBe(replica);
    expect((await appliance.audit()).code).toBe(0);
    const log = openEmbeddedLog({
      path: join(appliance.dataDir, 'broker.db'),
      clock: systemClock,
      diskMaxBytes: 1e12,
    });
    const groups = (await log.reports(epochTopic('tailrace', 'web', 'access'))).map(({ group }) => group);
    await log.close();
    expect(new Set(groups)).toEqual(new Set(['web.warehouse', 'web.warehouse.replica']));
    await appliance.stop();
    expect((await appliance.audit()).code).toBe(0);
  }));
