import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { dirname } from 'node:path';
import { OperatingError, describeError } from '../../lib/errors.ts';
import { checkSocketPath } from './socket-path.ts';
import { SQL_CHARACTERS_MAX } from './sql-guard.ts';
import type { SqlResult } from './sql-answer.ts';
import type { SqlRunner, SqlStreamQuestion } from './sql-runner.ts';

const BODY_BYTES_MAX = 4 * SQL_CHARACTERS_MAX;
/** A client that has not taken its answer by then will not: until then it is in memory, and another query waits. */
const DELIVERY_MS = 10_000;

export const STREAM_TYPE = 'application/x-ndjson';

/** A line of a stream: the columns, then rows in parts, and at last whether there were more of them, or what went wrong. */
export type SqlFrame =
  | { readonly columns: SqlResult['columns'] }
  | { readonly rows: SqlResult['rows'] }
  | { readonly truncated: boolean }
  | { readonly error: { readonly code: string; readonly message: string } };

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  SQL_INVALID: 400,
  SQL_FAILED: 400,
  SQL_REFUSED: 403,
  SQL_HARMFUL: 403,
  SQL_TIMEOUT: 408,
  SQL_BUSY: 429,
  SQL_MEMORY: 503,
  SQL_INTERRUPTED: 503,
};

/**
 * SQL over HTTP on a unix socket that only its owner can open: `POST /sql` with `{"sql": …}` answers an SqlResult, with `"rowsMax"` besides
 * a stream of lines (`SqlFrame`), `GET /status` the cursors. Errors are `{"error": {"code", "message"}}`. A client that goes away takes its query along. `"lane": "own"` is for this program's own
 * questions; `"isAgain": true` says that the process that was asked before has died.
 */
export class SqlSocket {
  readonly #path: string;
  readonly #runner: SqlRunner;
  readonly #server: Server;

  constructor(parts: { readonly runner: SqlRunner; readonly path: string }) {
    checkSocketPath(parts.path);
    this.#path = parts.path;
    this.#runner = parts.runner;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.requestTimeout = 30_000;
    this.#server.maxConnections = 64;
  }

  /** To be called by the holder of the database's lock only: it takes the place of a socket that a dead process left. */
  async listen(): Promise<void> {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    rmSync(this.#path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#path, resolve);
    });
    chmodSync(this.#path, 0o600);
  }

  async close(): Promise<void> {
    await this.#runner.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      if (request.method === 'POST' && request.url === '/sql') {
        const { sql, lane, isAgain, rowsMax } = (JSON.parse(await readBody(request)) ?? {}) as Record<string, unknown>;
        if (typeof sql !== 'string') throw new OperatingError('the body is {"sql": "…"}', { code: 'SQL_INVALID' });
        if (rowsMax !== undefined && !isRowCount(rowsMax))
          throw new OperatingError('rowsMax is a whole number of rows, 0 for all', { code: 'SQL_INVALID' });
        const question = {
          sql,
          lane: lane === 'own' ? 'own' : 'people',
          isAgain: isAgain === true,
          signal: gone.signal,
        } as const;
        if (rowsMax !== undefined) await this.#stream({ ...question, rowsMax }, response);
        else await this.#runner.query({ ...question, deliver: (result) => send(response, 200, result) });
      } else if (request.method === 'GET' && request.url === '/status') {
        const sql = 'FROM tailrace.cursors ORDER BY topic, partition';
        const { columns, rows } = await this.#runner.query({ sql, lane: 'own', signal: gone.signal });
        const cursors = rows.map((row) => Object.fromEntries(columns.map(({ name }, index) => [name, row[index]])));
        await send(response, 200, { pid: process.pid, cursors });
      } else {
        await send(response, 404, { error: { code: 'NOT_FOUND', message: 'POST /sql or GET /status' } });
      }
    } catch (error) {
      const code =
        error instanceof OperatingError ? error.code : error instanceof SyntaxError ? 'SQL_INVALID' : 'INTERNAL';
      const answer = { error: { code, message: describeError(error) } };
      if (response.headersSent) response.end(frame(answer));
      else await send(response, STATUS_OF_CODE[code] ?? 500, answer);
    }
  }

  async #stream(question: SqlStreamQuestion, response: ServerResponse): Promise<void> {
    const truncated = await this.#runner.stream(question, {
      columns: (columns) => {
        response.writeHead(200, { 'content-type': STREAM_TYPE });
        response.write(frame({ columns }));
      },
      rows: (rows) => taken(response, frame({ rows })),
    });
    response.end(frame({ truncated }));
  }
}

function isRowCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function frame(content: SqlFrame): string {
  return `${JSON.stringify(content)}\n`;
}

/** Resolves when the client has taken so much of what was written that there is room for more, or takes nothing any more. */
function taken(response: ServerResponse, text: string): Promise<void> {
  if (response.destroyed || response.write(text)) return Promise.resolve();
  return new Promise((resolve) => {
    const over = (): void => {
      response.off('drain', over).off('close', over);
      resolve();
    };
    response.on('drain', over).on('close', over);
  });
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_BYTES_MAX)
      throw new OperatingError(`a request has at most ${BODY_BYTES_MAX} bytes`, { code: 'SQL_INVALID' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Resolves when the answer has been taken, or nobody takes it any more. */
function send(response: ServerResponse, status: number, answer: object): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  const body = Buffer.from(JSON.stringify(answer));
  return new Promise((resolve) => {
    const timer = setTimeout(() => response.destroy(), DELIVERY_MS);
    response.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': body.length,
      ...(status === 429 ? { 'retry-after': '5' } : {}),
    });
    response.end(body);
  });
}
