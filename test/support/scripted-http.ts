import { type IncomingHttpHeaders, createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface ScriptedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The body as it came, gzipped where the headers say so. */
  readonly body: Buffer;
}

export interface ScriptedAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What to answer; undefined: no answer at all, the connection stays open. */
export type Script = (request: ScriptedRequest) => ScriptedAnswer | undefined;

export interface ScriptedServer {
  readonly url: string;
  /** Everything that was asked, in order. */
  readonly requests: readonly ScriptedRequest[];
  stop(): Promise<void>;
}

/** A server that answers as a test says: for errors a real one cannot be made to give, and for servers that cannot be had. */
export async function startScriptedServer(
  script: Script,
  tls?: { readonly key: string; readonly cert: string },
): Promise<ScriptedServer> {
  const requests: ScriptedRequest[] = [];
  const server = tls === undefined ? createServer() : createTlsServer(tls);
  server.on('request', (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { method = '', url = '', headers } = incoming;
      const request = { method, path: url, headers, body: Buffer.concat(chunks) };
      requests.push(request);
      const answer = script(request);
      if (answer === undefined) return;
      outgoing.writeHead(answer.status, {
        'content-type': 'application/json',
        'x-elastic-product': 'Elasticsearch',
        ...answer.headers,
      });
      const { body = {} } = answer;
      outgoing.end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    requests,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
