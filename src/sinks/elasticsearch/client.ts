import { Client, errors } from '@elastic/elasticsearch';
import type { Clock } from '../../lib/clock.ts';
import { EXIT, OperatingError } from '../../lib/errors.ts';
import { HEALTH, checked } from './answer-shapes.ts';
import { BoundedConnection } from './bounded-connection.ts';
import { requestError } from './errors.ts';

export type ElasticsearchClient = Client;

export interface ElasticsearchOptions {
  /** Addresses such as `https://es1.example.org:9200`; never with a user in them. */
  readonly nodes: readonly string[];
  /** None: the server asks for none. */
  readonly auth?: { readonly apiKey: string } | { readonly username: string; readonly password: string };
  readonly tls?: {
    /** Certificates of the authority that signed the server's, as PEM text. */
    readonly ca?: string;
    /** The name the server's certificate must have, where it is not the address's. */
    readonly serverName?: string;
  };
  /** Plain http to another machine is meant: whoever is on the way can read lines and key. */
  readonly isInsecureAllowed?: boolean;
  /** Default 30 s. */
  readonly requestTimeoutMs?: number;
}

/** A bulk of many megabytes on a busy server takes seconds; a connection that is gone without a word must be noticed all the same. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Sockets to one node: two bulks in flight, and what a search or a probe needs beside them. */
const CONNECTIONS_MAX = 8;
/** A larger answer, unpacked, cannot be an answer to anything that is asked here: a bulk's has some hundred bytes for each of its documents. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/**
 * The official client, as every part of Tailrace uses it: connections are kept, requests are gzipped, a server that is not an Elasticsearch is
 * refused by the client itself. It retries nothing: who sends knows what may be sent again, and when.
 */
export function openElasticsearch(options: ElasticsearchOptions): ElasticsearchClient {
  const nodes = options.nodes.map((node) => nodeUrl(node, options));
  const { auth, tls } = options;
  return new Client({
    nodes: nodes.map((url) => ({ url })),
    ...(auth === undefined ? {} : { auth: { ...auth } }),
    ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
    maxRetries: 0,
    requestTimeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    compression: true,
    Connection: BoundedConnection,
    maxResponseSize: ANSWER_BYTES_MAX,
    maxCompressedResponseSize: ANSWER_BYTES_MAX,
    agent: { connections: CONNECTIONS_MAX },
    // The default also replaces header and body in errors; nothing of a request belongs into one of ours.
    redaction: { type: 'remove' },
    enableMetaHeader: false,
  });
}

function tlsOptions({ ca, serverName }: NonNullable<ElasticsearchOptions['tls']>): {
  ca?: string;
  servername?: string;
} {
  return { ...(ca === undefined ? {} : { ca }), ...(serverName === undefined ? {} : { servername: serverName }) };
}

/** A checked address: plain http stays on this machine unless more is said, and no password is in it. */
export function nodeUrl(node: string, { isInsecureAllowed }: Pick<ElasticsearchOptions, 'isInsecureAllowed'>): URL {
  const refused = (what: string, hint: string): OperatingError =>
    new OperatingError(what, { code: 'ES_ADDRESS', exitCode: EXIT.config, hint });
  const url = URL.canParse(node) ? new URL(node) : undefined;
  const form = 'write nodes as https://host:9200';
  // The text itself is not shown: it may hold a password.
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw refused('a node of Elasticsearch is not an http or https address', form);
  if (url.username !== '' || url.password !== '')
    throw refused(`the address of ${url.host} holds a user`, 'set username and password, or api_key, beside nodes');
  if (url.protocol === 'http:' && isInsecureAllowed !== true && !isLoopback(url.hostname)) {
    const what = `${url.origin} is another machine and not https: lines and key would cross the network as they are`;
    throw refused(what, 'use https with tls, or say insecure: true where the network itself is safe');
  }
  return url;
}

function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname)
  );
}

/** What the client throws becomes an OperatingError; what is none of its errors, and the abort by our own signal, stays as it is. */
export async function withElasticsearch<T>(
  client: ElasticsearchClient,
  what: string,
  request: () => Promise<T>,
): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw requestError(error, what, nodesOf(client));
  }
}

/** The addresses, for messages. */
export function nodesOf(client: ElasticsearchClient): string {
  return client.connectionPool.connections.map(({ url }) => url.origin).join(', ');
}

export type ElasticsearchEvent =
  | { readonly type: 'away'; readonly error: OperatingError }
  | { readonly type: 'back'; readonly awayMs: number };

export interface WaitOptions {
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  /** Pause between two probes. Default 1 s. */
  readonly pauseMs?: number;
  /** Gives up after so long and throws why. Default: never. */
  readonly timeoutMs?: number;
  /** Told once when it is away, and once when it is back. */
  readonly notify?: (event: ElasticsearchEvent) => void;
}

const PROBE_PAUSE_MS = 1000;
/** A server that takes a connection and answers nothing is away, too. Who waits less in all waits less for one probe, but so long. */
const PROBE_TIMEOUT_MS = 5000;
export const PROBE_TIMEOUT_MS_MIN = 3000;

/**
 * Waits until Elasticsearch answers; true then, false when the signal aborted. Throws at once what waiting does not mend: a wrong key, a
 * certificate that is not trusted, another product. A key that may not see the cluster's health is good enough: the server is there.
 */
export async function waitForElasticsearch(client: ElasticsearchClient, options: WaitOptions): Promise<boolean> {
  const { clock, signal, notify, timeoutMs = Infinity } = options;
  const startedMs = clock.monotonicMs();
  for (let isAway = false; signal?.aborted !== true; isAway = true) {
    const problem = await probe(client, Math.max(PROBE_TIMEOUT_MS_MIN, Math.min(PROBE_TIMEOUT_MS, timeoutMs)), signal);
    if (problem === undefined) {
      if (isAway) notify?.({ type: 'back', awayMs: clock.monotonicMs() - startedMs });
      return true;
    }
    if (signal?.aborted) return false;
    if (!problem.isRetryable || clock.monotonicMs() - startedMs >= timeoutMs) throw problem;
    if (!isAway) notify?.({ type: 'away', error: problem });
    await clock.sleep(options.pauseMs ?? PROBE_PAUSE_MS, signal);
  }
  return false;
}

/** Undefined when it is there. `GET /` is not asked: some servers answer it with 405. */
async function probe(
  client: ElasticsearchClient,
  requestTimeout: number,
  signal: AbortSignal | undefined,
): Promise<OperatingError | undefined> {
  try {
    const transport = { requestTimeout, ...(signal === undefined ? {} : { signal }) };
    checked(HEALTH, await client.cluster.health({ level: 'cluster' }, transport), 'Elasticsearch');
    return undefined;
  } catch (error) {
    if (error instanceof errors.ResponseError && error.statusCode === 403) return undefined;
    const problem = requestError(error, 'Elasticsearch', nodesOf(client));
    if (problem instanceof OperatingError) return problem;
    if (signal?.aborted === true) return undefined;
    throw error;
  }
}
