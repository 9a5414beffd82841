/**
 * With `kafkajs-guard.ts` all that knows kafkajs from the inside (pinned to 2.2.4; docs/decisions/0007-kafkajs.md). Its public consumer can only read in
 * groups, jumps on OFFSET_OUT_OF_RANGE, and its producer retries what may have been written; below them there is a sound connection with
 * TLS, SASL and the encodings of the protocol, and that is what is used.
 */
import { createRequire } from 'node:module';
import { Kafka, logLevel } from 'kafkajs';
import type { SASLOptions, logCreator } from 'kafkajs';
import type { ConnectionOptions } from 'node:tls';
import { systemClock } from '../../lib/clock.ts';
import { protocolType } from './kafka-error.ts';
import { GuardedConnection } from './kafkajs-guard.ts';

/** What kafkajs wants of an encoder that has written a request. */
interface Encoded {
  readonly buf: Buffer;
  readonly buffer: Buffer;
}

export interface WireRequest<T> {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    readonly encode: () => Promise<Encoded>;
  };
  readonly response: {
    readonly decode: (payload: Buffer) => Promise<object>;
    readonly parse: (decoded: object) => Promise<T>;
  };
  readonly requestTimeout?: number;
}

interface RequestQueue {
  readonly pending: readonly unknown[];
  readonly inflight: ReadonlyMap<number, { sentAt: number; requestTimeout: number; timeoutRequest(): void }>;
  throttledUntil: number;
  enforceRequestTimeout: boolean;
  requestTimeoutIntervalId?: NodeJS.Timeout;
  isConnected(): boolean;
  scheduleCheckPendingRequests(): void;
  scheduleRequestTimeoutCheck(): void;
  destroy(): void;
}

export interface WireSocket {
  readonly requestQueue: RequestQueue;
  readonly socket?: { destroy(): void };
  isConnected(): boolean;
  isAuthenticated(): boolean;
  connect(): Promise<unknown>;
  disconnect(): Promise<unknown>;
  authenticate(): Promise<void>;
  send<T>(request: WireRequest<T>): Promise<T>;
  setVersions(versions: unknown): void;
  setSupportAuthenticationProtocol(isSupported: boolean): void;
  rejectRequests(error: Error): void;
}

/** What kafkajs' Broker wants of its pool; ours is one connection. */
interface Pool {
  readonly host: string;
  readonly port: number;
  readonly connectionTimeout: number;
  readonly sasl: unknown;
  isConnected(): boolean;
  isAuthenticated(): boolean;
  getConnection(): Promise<WireSocket>;
  setVersions(versions: unknown): void;
  setSupportAuthenticationProtocol(isSupported: boolean): void;
  send<T>(request: WireRequest<T>): Promise<T>;
  destroy(): Promise<void>;
}

/** The requests of the protocol that kafkajs writes and reads well. Each throws errors with a `type`, such as `NOT_LEADER_FOR_PARTITION`. */
export interface WireBroker {
  /** What the broker speaks, by the number of the API. */
  readonly versions: Readonly<Record<number, { readonly maxVersion: number }>>;
  /** The best version of a request that both know. */
  lookupRequest<T>(apiKey: number, versions: object): (fields: object) => WireRequest<T>;
  connect(): Promise<void>;
  createTopics(request: object): Promise<unknown>;
  deleteRecords(request: object): Promise<unknown>;
  describeConfigs(request: object): Promise<{
    readonly resources: ReadonlyArray<{
      readonly resourceName: string;
      readonly configEntries: ReadonlyArray<{ readonly configName: string; readonly configValue: string }>;
    }>;
  }>;
  deleteGroups(groups: readonly string[]): Promise<unknown>;
  initProducerId(request: object): Promise<{ readonly producerId: string; readonly producerEpoch: number }>;
  addPartitionsToTxn(request: object): Promise<unknown>;
  endTxn(request: object): Promise<unknown>;
}

const load = createRequire(import.meta.url);
const KafkaJsBroker = load('kafkajs/src/broker') as new (options: object) => WireBroker;
const KafkaJsQueue = load('kafkajs/src/network/requestQueue') as { readonly prototype: RequestQueue };
const defaultSocketFactory = load('kafkajs/src/network/socketFactory') as () => unknown;
export const { createErrorFromCode } = load('kafkajs/src/protocol/error') as {
  readonly createErrorFromCode: (code: number) => Error & { readonly type: string; readonly code: number };
};
const { requests } = load('kafkajs/src/protocol/requests') as { readonly requests: { readonly JoinGroup: object } };

const JOIN_GROUP = 11;
const SASL_HANDSHAKE = 17;
const SASL_AUTHENTICATE = 36;
const TIMEOUT_CHECK_MS = 1000;

/**
 * kafkajs re-arms a timer of 1 ms for ever on each connection once it has had an answer, and looks for overdue requests ten times a second:
 * 2 to 3 % of a core for doing nothing. The timer is wanted only while requests wait behind a throttle.
 */
function quietTimers(): void {
  const { prototype } = KafkaJsQueue;
  // oxlint-disable-next-line typescript/unbound-method -- called with its `this` below
  const schedule = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function scheduleIfWaiting(this: RequestQueue): void {
    if (this.pending.length > 0) schedule.call(this);
  };
  prototype.scheduleRequestTimeoutCheck = function checkEachSecond(this: RequestQueue): void {
    this.destroy();
    const check = (): void => {
      for (const request of this.inflight.values()) {
        if (systemClock.nowMs() - request.sentAt > request.requestTimeout) request.timeoutRequest();
      }
      if (!this.isConnected()) this.destroy();
    };
    this.requestTimeoutIntervalId = setInterval(check, TIMEOUT_CHECK_MS);
  };
}
quietTimers();

export interface KafkaAddress {
  readonly host: string;
  readonly port: number;
}

export interface KafkaClientOptions {
  /** `host:port`, any of the cluster's. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly tls?: ConnectionOptions | undefined;
  readonly sasl?: SASLOptions | undefined;
  readonly connectTimeoutMs?: number;
  /** An answer that takes longer counts as lost, and the connection with it. */
  readonly requestTimeoutMs?: number;
}

const CONNECT_TIMEOUT_MS = 5_000;
export const REQUEST_TIMEOUT_MS = 15_000;

const quiet: logCreator = () => () => undefined;

/** A connection as kafkajs makes it: connected, its versions known, authenticated. */
export interface KafkaJsConnection {
  readonly broker: WireBroker;
  readonly send: Send;
  isOpen(): boolean;
  /** At once: whatever waits for an answer is rejected, and nothing more is sent. */
  close(): void;
}

export async function connectKafkaJs(
  address: KafkaAddress,
  {
    clientId,
    tls,
    sasl,
    connectTimeoutMs = CONNECT_TIMEOUT_MS,
    requestTimeoutMs = REQUEST_TIMEOUT_MS,
  }: KafkaClientOptions,
): Promise<KafkaJsConnection> {
  // kafkajs logs every refused connection as an error; what matters is said once, by us.
  const logger = new Kafka({ brokers: [], clientId, logLevel: logLevel.NOTHING, logCreator: quiet }).logger();
  const socket = new GuardedConnection({
    ...address,
    logger,
    clientId,
    ssl: tls ?? null,
    // A copy: what kafkajs makes of a password it keeps in there.
    sasl: sasl === undefined ? null : { ...sasl },
    socketFactory: defaultSocketFactory(),
    connectionTimeout: connectTimeoutMs,
    requestTimeout: requestTimeoutMs,
  });
  const brokenBy = keepSaslFailure(socket);
  const send = sendOrClose(socket);
  const connectionPool = onePool(address, socket, { sasl, connectTimeoutMs, send });
  const broker = new KafkaJsBroker({ connectionPool, logger, allowAutoTopicCreation: false });
  try {
    await broker.connect();
  } catch (error) {
    closeSocket(socket);
    throw brokenBy(error);
  }
  return { broker, send, isOpen: () => socket.isConnected(), close: () => closeSocket(socket) };
}

type Send = WireSocket['send'];

export interface JoinedGroup {
  readonly generationId: number;
  readonly leaderId: string;
  readonly memberId: string;
  readonly members: ReadonlyArray<{ readonly memberId: string; readonly memberMetadata: Buffer }>;
}

/** One request to join; kafkajs' own sends a second one under the id that the first was answered with, and tells it to nobody. */
export function joinGroup(connection: KafkaJsConnection, fields: object): Promise<JoinedGroup> {
  return connection.send(connection.broker.lookupRequest<JoinedGroup>(JOIN_GROUP, requests.JoinGroup)(fields));
}

/** The id that a new member is to join with, where the answer says that it needs one. */
export function namedMemberId(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'KafkaJSMemberIdRequired') return undefined;
  return (error as Error & { readonly memberId: string }).memberId;
}

/**
 * kafkajs takes whatever breaks during SASL for a refusal and drops the cause. Returns what an error really is: the connection's failure,
 * which passes, or the broker's refusal.
 */
function keepSaslFailure(socket: WireSocket): (error: unknown) => unknown {
  let failure: unknown;
  const brokenBy = (error: unknown): unknown =>
    failure !== undefined && error instanceof Error && error.name === 'KafkaJSSASLAuthenticationError'
      ? failure
      : error;
  const send = socket.send.bind(socket);
  socket.send = async (request) => {
    try {
      return await send(request);
    } catch (error) {
      const { apiKey } = request.request;
      const isSasl = apiKey === SASL_HANDSHAKE || apiKey === SASL_AUTHENTICATE;
      if (isSasl && protocolType(error) === undefined) failure = error;
      throw brokenBy(error);
    }
  };
  return brokenBy;
}

/** A connection that owes an answer for too long is closed: kafkajs would ask it again, for as long as TCP believes in it. */
function sendOrClose(socket: WireSocket): Send {
  return async (request) => {
    try {
      return await socket.send(request);
    } catch (error) {
      if (error instanceof Error && error.name === 'KafkaJSRequestTimeoutError') closeSocket(socket);
      throw error;
    }
  };
}

function closeSocket(socket: WireSocket): void {
  socket.rejectRequests(new Error('the connection was closed'));
  socket.requestQueue.destroy();
  socket.disconnect().catch(() => undefined);
  socket.socket?.destroy();
}

function onePool(
  { host, port }: KafkaAddress,
  socket: WireSocket,
  { sasl, connectTimeoutMs, send }: { sasl: unknown; connectTimeoutMs: number; send: Send },
): Pool {
  return {
    host,
    port,
    connectionTimeout: connectTimeoutMs,
    sasl,
    isConnected: () => socket.isConnected(),
    isAuthenticated: () => socket.isAuthenticated(),
    async getConnection() {
      if (!socket.isConnected()) await socket.connect();
      return socket;
    },
    setVersions: (versions) => socket.setVersions(versions),
    setSupportAuthenticationProtocol: (isSupported) => socket.setSupportAuthenticationProtocol(isSupported),
    send,
    async destroy() {
      await socket.disconnect();
    },
  };
}
