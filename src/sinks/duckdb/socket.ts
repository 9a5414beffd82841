import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { dirname } from 'node:path';
import type { DuckDBInstance } from '@duckdb/node-api';
import type { Clock } from '../../lib/clock.ts';
import { OperatingError, describeError } from '../../lib/errors.ts';
import { checkSocketPath } from './socket-path.ts';
import { SQL_CHARACTERS_MAX } from './sql-guard.ts';
import { SqlRunner } from './sql-runner.ts';

const BODY_BYTES_MAX = 4 * SQL_CHARACTERS_MAX;

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  SQL_INVALID: 400,
  SQL_FAILED: 400,
  SQL_REFUSED: 403,
  SQL_TIMEOUT: 408,
  SQL_INTERRUPTED: 503,
  SQL_BUSY: 503,
};

/**
 * SQL over HTTP on a unix socket that only its owner can open: `POST /sql` with `{"sql": …}` answers an SqlResult, `GET /status` the
 * cursors. Errors are `{"error": {"code", "message"}}`.
 */
export class SqlSocket {
  readonly #path: string;
  readonly #runner: SqlRunner;
  readonly #server: Server;

  constructor(parts: { readonly clock: Clock; readonly instance: DuckDBInstance; readonly path: string }) {
    checkSocketPath(parts.path);
    this.#path = parts.path;
    this.#runner = new SqlRunner(parts);
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

  /** Ends the user's query that runs: the writer needs the memory it has. */
  async interrupt(): Promise<void> {
    await this.#runner.interrupt('the warehouse was short of memory');
  }

  async close(): Promise<void> {
    await this.#runner.close('the warehouse is stopping');
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (request.method === 'POST' && request.url === '/sql') {
        const { sql } = JSON.parse(await readBody(request)) as { sql?: unknown };
        if (typeof sql !== 'string') throw new OperatingError('the body is {"sql": "…"}', { code: 'SQL_INVALID' });
        send(response, 200, await this.#runner.query(sql));
      } else if (request.method === 'GET' && request.url === '/status') {
        const { columns, rows } = await this.#runner.query('FROM tailrace.cursors ORDER BY topic, partition');
        const cursors = rows.map((row) => Object.fromEntries(columns.map(({ name }, index) => [name, row[index]])));
        send(response, 200, { pid: process.pid, cursors });
      } else {
        send(response, 404, { error: { code: 'NOT_FOUND', message: 'POST /sql or GET /status' } });
      }
    } catch (error) {
      const code =
        error instanceof OperatingError ? error.code : error instanceof SyntaxError ? 'SQL_INVALID' : 'INTERNAL';
      send(response, STATUS_OF_CODE[code] ?? 500, { error: { code, message: describeError(error) } });
    }
  }
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

function send(response: ServerResponse, status: number, answer: object): void {
  const body = JSON.stringify(answer);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
