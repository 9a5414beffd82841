// A network that misbehaves on request: a TCP proxy to one target, in the test's own process.
//
//   const proxy = await startTcpProxy();
//   const kafka = await startKafka({ advertised: [proxy.address] });
//   proxy.target = kafka.targets[0];
//   proxy.swallowAnswers(1, kafkaRequest(PRODUCE));
//
// To Elasticsearch: `startTcpProxy({ target: '127.0.0.1:9200', framing: 'chunks' })`, `httpRequest('POST', '/_bulk')`.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { AnswerTrap, ConnectionOwner, Framing, ProxyCounters } from './proxied-connection.ts';
import { ProxiedConnection } from './proxied-connection.ts';

/** Kafka's api keys that tests aim at. */
export const PRODUCE = 0;
export const FETCH = 1;

export type IsTarget = AnswerTrap['isTarget'];

export const kafkaRequest =
  (apiKey: number): IsTarget =>
  (head) =>
    head.readInt16BE(4) === apiKey;

/** Such a request in plain HTTP/1.1, whose request line comes in one piece. */
export const httpRequest =
  (method: string, pathPart: string): IsTarget =>
  (head) => {
    const [line = ''] = head.toString('latin1').split('\r\n');
    return line.startsWith(`${method} `) && line.includes(pathPart);
  };

export interface ProxyOptions {
  /** `host:port`; may be set later. */
  readonly target?: string;
  readonly framing?: Framing;
  readonly port?: number;
}

export async function startTcpProxy(options: ProxyOptions = {}): Promise<TcpProxy> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  return new TcpProxy(server, options);
}

export class TcpProxy implements ConnectionOwner {
  target: string | undefined;
  /** Of what clients connect to: `127.0.0.1:port`. */
  readonly address: string;
  readonly framing: Framing;
  readonly counters: ProxyCounters = {
    connections: 0,
    bytesToTarget: 0,
    bytesToClient: 0,
    swallowed: 0,
    truncated: 0,
    cut: 0,
  };
  readonly #server: Server;
  readonly #connections = new Set<ProxiedConnection>();
  #traps: AnswerTrap[] = [];
  #mode: 'open' | 'half-open' | 'refusing' | 'paused' = 'open';
  #delayMs = 0;

  constructor(server: Server, { target, framing = 'kafka' }: ProxyOptions) {
    this.target = target;
    this.framing = framing;
    this.#server = server;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (client) => this.#accept(client));
  }

  #accept(client: Socket): void {
    client.on('error', () => {});
    this.counters.connections += 1;
    if (this.#mode === 'refusing' || this.target === undefined) {
      this.counters.cut += 1;
      client.resetAndDestroy();
      return;
    }
    const [host = '', port] = this.target.split(':');
    const target = connect({ port: Number(port), host, allowHalfOpen: true });
    const connection = new ProxiedConnection(this, client, target);
    this.#connections.add(connection);
    connection.onEnd = () => this.#connections.delete(connection);
    if (this.#mode === 'paused') connection.pause();
  }

  get delayMs(): number {
    return this.#delayMs;
  }

  get isHalfOpen(): boolean {
    return this.#mode === 'half-open';
  }

  get openConnections(): number {
    return this.#connections.size;
  }

  /** Each chunk arrives that much later, in order, in both directions. 0 ends it. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Resets every connection there is; new ones are served. */
  cut(): void {
    for (const connection of this.#connections) connection.cut();
  }

  /** Resets every connection, and each new one at once, until `open`. */
  refuse(): void {
    this.#mode = 'refusing';
    this.cut();
  }

  /** Connections stay, and new ones are accepted, but what is sent into them goes nowhere, until `open`. */
  halfOpen(): void {
    this.#mode = 'half-open';
  }

  /** Nobody reads any more: back-pressure in both directions, until `open`. Nothing is lost. */
  pause(): void {
    this.#mode = 'paused';
    for (const connection of this.#connections) connection.pause();
  }

  /** As at first. Connections that were half open have lost bytes, and are cut. */
  open(): void {
    const was = this.#mode;
    this.#mode = 'open';
    if (was === 'half-open') this.cut();
    else if (was === 'paused') for (const connection of this.#connections) connection.resume();
  }

  /**
   * The answers to the next `count` requests that `isTarget` picks never come back: each request goes through, is
   * answered, and instead of the answer the connection is cut.
   */
  swallowAnswers(count: number, isTarget: IsTarget = () => true): void {
    this.#traps.push({ left: count, isTarget, keptBytes: 0 });
  }

  /** As `swallowAnswers`, but the first `keptBytes` of each answer still arrive. */
  truncateAnswers(count: number, keptBytes: number, isTarget: IsTarget = () => true): void {
    this.#traps.push({ left: count, isTarget, keptBytes });
  }

  /** How many answers are still to be swallowed or truncated. */
  get pendingAnswers(): number {
    return this.#traps.reduce((sum, { left }) => sum + left, 0);
  }

  clearTraps(): void {
    this.#traps = [];
  }

  /** For the connections: takes one off the first trap that wants this request. */
  trapFor(head: Buffer): AnswerTrap | undefined {
    const trap = this.#traps.find(({ left, isTarget }) => left > 0 && isTarget(head));
    if (trap !== undefined) trap.left -= 1;
    return trap;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }
}
