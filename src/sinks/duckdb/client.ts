import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { DuckDBInstance } from '@duckdb/node-api';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { EXIT, OperatingError, systemErrorCode } from '../../lib/errors.ts';
import { openForReading } from './database.ts';
import { checkSocketPath } from './socket-path.ts';
import type { Lane } from './query-turns.ts';
import { GRACE_MS, ProcessWatch, QUERY_TIMEOUT_MS, SUSPECT_TIMEOUT_MS } from './query-watch.ts';
import { STREAM_TYPE, type SqlFrame } from './socket.ts';
import type { RowTaker, SqlResult } from './sql-answer.ts';
import { type SqlQuestion, SqlRunner, type SqlStreamQuestion } from './sql-runner.ts';
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
export function querySql(target: SqlTarget, sql: string, options: AskOptions = {}): Promise<SqlResult> {
  const { clock = systemClock, lane = 'people' } = options;
  return ask(target, clock, {
    ofSocket: (isAgain) => askSocket(target.socketPath, { sql, lane, isAgain }),
    ofFile: (isAgain) => askFile(target, clock, (runner) => runner.query({ sql, lane, isAgain })),
  });
}

export interface StreamOptions extends AskOptions {
  /** At most so many rows; 0 for all. */
  readonly rowsMax: number;
}

/** The same for an answer of any length, as `SqlRunner.stream`. When its process dies, nobody is asked again once there are columns: SQL_INTERRUPTED. */
export function streamSql(target: SqlTarget, sql: string, options: StreamOptions, taker: RowTaker): Promise<boolean> {
  const { clock = systemClock, lane = 'people', rowsMax } = options;
  return ask(target, clock, {
    ofSocket: (isAgain) => streamSocket(target.socketPath, { sql, lane, isAgain, rowsMax }, taker),
    ofFile: (isAgain) => askFile(target, clock, (runner) => runner.stream({ sql, lane, isAgain, rowsMax }, taker)),
  });
}

/** `absent` where there is no process behind the socket, `died` where it went away before it had answered. */
type NoAnswer = 'absent' | 'died';

interface Ways<T> {
  readonly ofSocket: (isAgain: boolean) => Promise<T | NoAnswer>;
  readonly ofFile: (isAgain: boolean) => Promise<T>;
}

async function ask<T>(target: SqlTarget, clock: Clock, { ofSocket, ofFile }: Ways<T>): Promise<T> {
  let isAgain = false;
  let absentSinceMs: number | undefined;
  for (;;) {
    const answer = await ofSocket(isAgain);
    if (answer !== 'absent' && answer !== 'died') return answer;
    absentSinceMs = answer === 'died' ? clock.monotonicMs() : (absentSinceMs ?? clock.monotonicMs());
    isAgain ||= answer === 'died';
    const isComing = answer === 'died' || target.isSupervised?.() === true;
    if (!isComing && !isAgain) return ofFile(isAgain);
    if (clock.monotonicMs() - absentSinceMs > RESTART_WAIT_MS) {
      if (!isComing) return ofFile(isAgain);
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

/** The answer of the process behind the socket. */
export async function askSocket(socketPath: string, question: SqlQuestion): Promise<SqlResult | NoAnswer> {
  return post(socketPath, question, async (response) => {
    const parsed = JSON.parse(await textOf(response)) as SqlResult & Failure;
    if (parsed.error === undefined) return parsed;
    throw failed(parsed.error, response.statusCode);
  });
}

interface Failure {
  readonly error?: { readonly code: string; readonly message: string };
}

async function streamSocket(
  socketPath: string,
  question: SqlStreamQuestion,
  taker: RowTaker,
): Promise<boolean | NoAnswer> {
  let hasBegun = false;
  const answer = await post(socketPath, question, async (response) => {
    if (response.headers['content-type'] !== STREAM_TYPE) {
      const { error } = JSON.parse(await textOf(response)) as Required<Failure>;
      throw failed(error, response.statusCode);
    }
    for await (const line of linesOf(response)) {
      const frame = JSON.parse(line) as SqlFrame;
      if ('error' in frame) throw failed(frame.error, undefined);
      if ('truncated' in frame) return frame.truncated;
      hasBegun = true;
      try {
        if ('columns' in frame) taker.columns(frame.columns);
        else await taker.rows(frame.rows);
      } catch (error) {
        // Not the connection's fault, whatever its code.
        return { error };
      }
    }
    return 'died' as const;
  });
  if (typeof answer === 'object') throw answer.error;
  if (answer !== 'died' || !hasBegun) return answer;
  throw new OperatingError('the process that answered has ended: there were more rows', {
    code: 'SQL_INTERRUPTED',
    isRetryable: true,
    hint: 'ask again',
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      parts.push(chunk.subarray(start, end));
      yield Buffer.concat(parts).toString('utf8');
      parts = [];
      start = end + 1;
    }
    parts.push(chunk.subarray(start));
  }
}

function failed({ code, message }: Required<Failure>['error'], status: number | undefined): OperatingError {
  const isRetryable = status === 429 || status === 503 || code === 'SQL_INTERRUPTED';
  return new OperatingError(message, { code, isRetryable, exitCode: EXIT_OF_CODE[code] ?? EXIT.failed });
}

async function post<T>(
  socketPath: string,
  question: object,
  read: (response: IncomingMessage) => Promise<T>,
): Promise<T | NoAnswer> {
  checkSocketPath(socketPath);
  const body = JSON.stringify(question);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const asking = request({
    socketPath,
    path: '/sql',
    method: 'POST',
    headers,
    timeout: ANSWER_TIMEOUT_MS,
    agent: false,
  });
  asking.on('timeout', () => asking.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })));
  // Whoever reads the answer hears of it, too.
  asking.on('error', () => undefined);
  asking.end(body);
  try {
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    return await read(response);
  } catch (error) {
    const code = error instanceof OperatingError ? undefined : systemErrorCode(error);
    if (code === undefined) throw error;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ECONNREFUSED') return 'absent';
    if (code === 'ECONNRESET' || code === 'EPIPE') return 'died';
    throw new OperatingError(`the warehouse's socket ${socketPath} does not answer: ${code}`, {
      code: 'WAREHOUSE_UNREACHABLE',
      exitCode: EXIT.unreachable,
      isRetryable: true,
      hint:
        code === 'EACCES' ? 'only the user it runs as may ask it' : 'see whether its process is well, and ask again',
      cause: error,
    });
  } finally {
    // A reader that failed leaves nobody who takes the rest.
    asking.destroy();
  }
}

async function askFile<T>(
  { databasePath }: SqlTarget,
  clock: Clock,
  work: (runner: SqlRunner) => Promise<T>,
): Promise<T> {
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
    return await work(new SqlRunner({ clock, instance, watch }));
  } finally {
    await watch.close();
    instance.closeSync();
  }
}
