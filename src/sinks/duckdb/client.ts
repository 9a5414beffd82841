import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { DuckDBInstance } from '@duckdb/node-api';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { EXIT, OperatingError, systemErrorCode } from '../../lib/errors.ts';
import { openForReading } from './database.ts';
import { checkSocketPath } from './socket-path.ts';
import { type SqlResult, SqlRunner } from './sql-runner.ts';

export interface SqlTarget {
  readonly socketPath: string;
  readonly databasePath: string;
}

/** Somewhat longer than a query may take and wait for others. */
const ANSWER_TIMEOUT_MS = 60_000;
/** The memory of a query in this process, where no warehouse runs. */
const LIMITS = { memoryLimit: '512MB', threads: 2 };

/**
 * Asks the running warehouse through its socket; where none runs, opens its file in this process, for reading. OperatingErrors: those of
 * `SqlRunner.query`, NOTHING_YET (nothing has run here), WAREHOUSE_UNREACHABLE (a process has the file and does not answer).
 */
export async function querySql(target: SqlTarget, sql: string, clock: Clock = systemClock): Promise<SqlResult> {
  return (await askSocket(target.socketPath, sql)) ?? (await askFile(target, sql, clock));
}

/** The answer of the process behind the socket; undefined where there is none. */
export async function askSocket(socketPath: string, sql: string): Promise<SqlResult | undefined> {
  checkSocketPath(socketPath);
  let answer: { status: number; body: string };
  try {
    answer = await post(socketPath, JSON.stringify({ sql }));
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ECONNREFUSED') return undefined;
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
  if (parsed.error !== undefined) throw new OperatingError(parsed.error.message, { code: parsed.error.code });
  return parsed;
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

async function askFile({ databasePath }: SqlTarget, sql: string, clock: Clock): Promise<SqlResult> {
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
  try {
    return await new SqlRunner({ clock, instance }).query(sql);
  } finally {
    instance.closeSync();
  }
}
