import { type IncomingMessage, type ServerResponse, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export const BULK_FAULTS = [
  'storm',
  'busy_items',
  'unavailable',
  'swallowed',
  'truncated',
  'garbled',
  'too_large',
  'away',
] as const;
/**
 * `away`: the connection is cut before anything is passed on. `storm` and `unavailable`: 429 and 503 without a word to the server. `busy_items`: every third item of the answer is a 429, although it is
 * stored. `swallowed`, `truncated`, `garbled`: the server has taken the request, and its answer is none, half, or another one.
 */
export type BulkFault = (typeof BULK_FAULTS)[number];

export interface FaultProxy {
  readonly url: string;
  /** How often each fault happened. */
  readonly counts: Map<BulkFault, number>;
  /** What happens to the next bulk; asked once for each. */
  next: () => BulkFault | undefined;
  stop(): Promise<void>;
}

/** Stands between a sink and a real Elasticsearch and does to bulks what networks, proxies and busy servers do. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const counts = new Map<BulkFault, number>();
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('error', () => undefined);
    incoming.on('end', () => {
      const isBulk = incoming.url?.startsWith('/_bulk') === true;
      const fault = isBulk ? proxy.next() : undefined;
      if (fault !== undefined) counts.set(fault, (counts.get(fault) ?? 0) + 1);
      if (fault === 'away') {
        outgoing.destroy();
        return;
      }
      if (fault === 'storm') return refuse(outgoing, 429);
      if (fault === 'unavailable') return refuse(outgoing, 503);
      if (fault === 'too_large') return refuse(outgoing, 413);
      forward(target, incoming, Buffer.concat(chunks), outgoing, fault);
    });
  });
  const proxy: FaultProxy = {
    url: '',
    counts,
    next: () => undefined,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(proxy, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

function refuse(outgoing: ServerResponse, status: number): void {
  outgoing.writeHead(status, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' });
  outgoing.end(JSON.stringify({ error: { type: 'circuit_breaking_exception', reason: 'as the test says' }, status }));
}

function forward(
  target: string,
  incoming: IncomingMessage,
  body: Buffer,
  outgoing: ServerResponse,
  fault: BulkFault | undefined,
): void {
  // What comes back is looked into: it must not be packed.
  const { 'accept-encoding': _, ...headers } = incoming.headers;
  const options = { method: incoming.method ?? 'GET', headers: { ...headers, host: new URL(target).host } };
  const asked = request(`${target}${incoming.url}`, options, (answer) => {
    const parts: Buffer[] = [];
    answer.on('data', (part: Buffer) => parts.push(part));
    answer.on('error', () => outgoing.destroy());
    answer.on('end', () => {
      const whole = Buffer.concat(parts);
      if (fault === 'swallowed') {
        outgoing.destroy();
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      if (fault === 'truncated') {
        outgoing.write(whole.subarray(0, whole.length / 2), () => outgoing.destroy());
        return;
      }
      outgoing.end(fault === undefined ? whole : changed(whole, fault));
    });
  });
  asked.on('error', () => outgoing.destroy());
  asked.end(body);
}

interface BulkAnswer {
  readonly items: { create: Record<string, unknown> }[];
}

/** Another answer of the same length, so that the headers still hold. */
function changed(answer: Buffer, fault: BulkFault): Buffer {
  const parsed = JSON.parse(answer.toString('utf8')) as BulkAnswer;
  if (fault === 'busy_items') {
    for (const [i, item] of parsed.items.entries()) if (i % 3 === 0) item.create['status'] = 429;
  } else if (fault === 'garbled') {
    parsed.items.reverse();
  }
  return Buffer.from(JSON.stringify(parsed).padEnd(answer.length)).subarray(0, answer.length);
}
