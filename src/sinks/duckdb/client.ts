import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { DuckDBInstance } from '@duckdb/node-api';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { EXIT, OperatingError, systemErrorCode } from '../../lib/errors.ts';
import { openForReading } from './database.ts';
import { checkSocketPath } from './socket-path.ts';
import type { Lane } from './query-turns.ts';
import { GRACE_MS, ProcessWatch, QUERY_TIMEOUT_MS, SUSPECT_TIMEOUT_MS } from './query-watch.ts';
import { type SqlQuestion, type SqlResult, SqlRunner } from './sql-runner.ts';
import type { WatchLimits } from './watchdog.ts';

export interface SqlTarget {
  readonly socketPath: string;
  readonly databasePath: string;
  /** Whether somebody starts the warehouse's process again when it dies: then its file is not ours to open meanwhile. */
  readonly isSupervised?: () => boolean;
}

export interface AskOptions {
  readonly clock?: Clock;
  readonly lane?: Lane;
}

/** Somewhat longer than a query may take and wait for sixteen others. */
const ANSWER_TIMEOUT_MS = 120_000;
/** A process that was ended is back within a second; a busy machine takes longer. */
const RESTART_WAIT_MS = 15_000;
const RESTART_LOOK_MS = 100;
/** DuckDB's share of this process, where no warehouse runs. */
const LIMITS = { memoryLimit: '512MB', threads: 2 };
const QUERY_LIMITS: WatchLimits = {
  timeoutMs: QUERY_TIMEOUT_MS,
  suspectTimeoutMs: SUSPECT_TIMEOUT_MS,
  graceMs: GRACE_MS,
  rssBytesHigh: 900_000_000,
  rssBytesMax: 1_000_000_000,
  // Who asks may have much of its own: of that the query is not guilty.
  addedBytesHigh: 800_000_000,
  addedBytesMax: 900_000_000,
};

const EXIT_OF_CODE: Readonly<Record<string, number>> = { SQL_BUSY: EXIT.unreachable };

/**
 * Asks the running warehouse through its socket; where none runs, opens its file in this process, for reading. If the process behind the
 * socket dies, the next one is asked. OperatingErrors: those of `SqlRunner.query`, NOTHING_YET (nothing has run here),
 * WAREHOUSE_UNREACHABLE (a process has the file and does not answer).
 */
export async function querySql(target: SqlTarget, sql: string, options: AskOptions = {}): Promise<SqlResult> {
  const { clock = systemClock, lane = 'people' } = options;
  let isAgain = false;
  let absentSinceMs: number | undefined;
  for (;;) {
    const answer = await askSocket(target.socketPath, { sql, lane, isAgain });
    if (typeof answer === 'object') return answer;
    absentSinceMs = answer === 'died' ? clock.monotonicMs() : (absentSinceMs ?? clock.monotonicMs());
    isAgain ||= answer === 'died';
    const isComing = answer === 'died' || target.isSupervised?.() === true;
    if (!isComing && !isAgain) return askFile(target, { sql, lane, isAgain }, clock);
    if (clock.monotonicMs() - absentSinceMs > RESTART_WAIT_MS) {
      if (!isComing) return askFile(target, { sql, lane, isAgain }, clock);
      throw new OperatingError('the warehouse is being started again and does not answer yet', {
        code: 'WAREHOUSE_UNREACHABLE',
        exitCode: EXIT.unreachable,
        isRetryable: true,
        hint: 'see what its run says, and ask again',
      });
    }
    await clock.sleep(RESTART_LOOK_MS);
  }
}

/** The answer of the process behind the socket; `absent` where there is none, `died` where it went away before it had answered. */
export async function askSocket(socketPath: string, question: SqlQuestion): Promise<SqlResult | 'absent' | 'died'> {
  checkSocketPath(socketPath);
  let answer: { status: number; body: string };
  try {
    answer = await post(socketPath, JSON.stringify(question));
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ECONNREFUSED') return 'absent';
    if (code === 'ECONNRESET' || code === 'EPIPE') return 'died';
    throw new OperatingError(`the warehouse's socket ${socketPath} does not answer: ${code ?? String(error)}`, {
      code: 'WAREHOUSE_UNREACHABLE',
      exitCode: EXIT.unreachable,
      isRetryable: true,
      hint:
        code === 'EACCES' ? 'only the user it runs as may ask it' : 'see whether its process is well, and ask again',
      cause: error,
    });
  }
  const parsed = JSON.parse(answer.body) as SqlResult & { error?: { code: string; message: string } };
  if (parsed.error === undefined) return parsed;
  const { code, message } = parsed.error;
  const isRetryable = answer.status === 429 || answer.status === 503;
  throw new OperatingError(message, { code, isRetryable, exitCode: EXIT_OF_CODE[code] ?? EXIT.failed });
}

function post(socketPath: string, body: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const asking = request(
      { socketPath, path: '/sql', method: 'POST', headers, timeout: ANSWER_TIMEOUT_MS, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
        );
      },
    );
    asking.on('timeout', () => asking.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })));
    asking.on('error', reject);
    asking.end(body);
  });
}

async function askFile({ databasePath }: SqlTarget, question: SqlQuestion, clock: Clock): Promise<SqlResult> {
  if (!existsSync(databasePath)) {
    throw new OperatingError(`nothing has run here yet: there is no ${databasePath}`, {
      code: 'NOTHING_YET',
      exitCode: EXIT.unreachable,
      hint: 'start it with tailrace run, or name the folder of the one that ran',
    });
  }
  let instance: DuckDBInstance;
  try {
    instance = await openForReading({ path: databasePath, ...LIMITS });
  } catch (error) {
    if (!(error instanceof OperatingError) || error.code !== 'WAREHOUSE_LOCKED') throw error;
    throw new OperatingError(`${error.message}, which does not answer on its socket`, {
      code: 'WAREHOUSE_UNREACHABLE',
      exitCode: EXIT.unreachable,
      isRetryable: true,
      hint: 'it may be starting: ask again in a moment',
      cause: error,
    });
  }
  // A process that has the file open keeps a warehouse from starting: so this one, too, ends with a query that does not.
  const watch = new ProcessWatch({ databasePath, limits: QUERY_LIMITS, saysWhy: true }, clock);
  try {
    return await new SqlRunner({ clock, instance, watch }).query(question);
  } finally {
    await watch.close();
    instance.closeSync();
  }
}
