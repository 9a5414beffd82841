import { promisify } from 'node:util';
import { unzip } from 'node:zlib';
import {
  type ConnectionRequestOptions,
  type ConnectionRequestOptionsAsStream,
  type ConnectionRequestParams,
  type ConnectionRequestResponse,
  type ConnectionRequestResponseAsStream,
  UndiciConnection,
  errors,
} from '@elastic/elasticsearch';

/** Answers of ours nest a handful deep; who walks over one does so on the stack. */
const DEPTH_MAX = 100;
/** Where the client was given none. */
const REQUEST_TIMEOUT_MS = 30_000;
const NAMED = new Set(['ConnectionError', 'TimeoutError']);

const unzipped = promisify<Buffer, { maxOutputLength: number }, Buffer>(unzip);

/** What came is not an answer of an Elasticsearch. The message goes on after "answered ". */
export class BadAnswer extends Error {
  override readonly name: string = 'BadAnswer';
}

/** Longer than the client takes: whoever asks for less gets it. */
export class LongAnswer extends BadAnswer {
  override readonly name = 'LongAnswer';
}

/**
 * The client's own connection, which believes no answer: unpacked it is no longer than packed it may be, it is whole in time, it nests no deeper
 * than ours do, and a redirect is not followed, since whoever it names would get the key.
 */
export class BoundedConnection extends UndiciConnection {
  override request(
    params: ConnectionRequestParams,
    options: ConnectionRequestOptions,
  ): Promise<ConnectionRequestResponse>;
  override request(
    params: ConnectionRequestParams,
    options: ConnectionRequestOptionsAsStream,
  ): Promise<ConnectionRequestResponseAsStream>;
  override async request(
    params: ConnectionRequestParams,
    options: ConnectionRequestOptions,
  ): Promise<ConnectionRequestResponse & ConnectionRequestResponseAsStream> {
    const { maxResponseSize: bytesMax = 0, timeout = this.timeout, signal } = options;
    // The client's own limit is of each pause: an answer that comes byte by byte would never end.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), 2 * (timeout ?? REQUEST_TIMEOUT_MS));
    const either = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
    try {
      const answer = await super.request(params, { ...options, signal: either });
      return (await bounded(answer, bytesMax)) as ConnectionRequestResponse & ConnectionRequestResponseAsStream;
    } catch (error) {
      if (signal?.aborted === true) throw error;
      if (late.signal.aborted) throw new errors.TimeoutError('Request timed out');
      throw judged(error, bytesMax);
    } finally {
      clearTimeout(timer);
    }
  }
}

function judged(error: unknown, bytesMax: number): unknown {
  if (error instanceof BadAnswer || !(error instanceof Error) || NAMED.has(error.name)) return error;
  if (error.name === 'RequestAbortedError') return tooLong(bytesMax);
  // Headers that come twice, and whatever else the client does not expect.
  return new BadAnswer(`what its client cannot read: ${error.message}`);
}

function tooLong(bytesMax: number): LongAnswer {
  return new LongAnswer(`more than ${bytesMax} bytes`);
}

async function bounded(answer: ConnectionRequestResponse, bytesMax: number): Promise<ConnectionRequestResponse> {
  const { statusCode, headers, body } = answer;
  if (statusCode >= 300 && statusCode < 400) throw new BadAnswer(`${statusCode}${placeOf(headers['location'])}`);
  const { 'content-encoding': encoding, ...rest } = headers;
  const plain = encoding === undefined || typeof body === 'string' ? body : await unpacked(body, encoding, bytesMax);
  const text = typeof plain === 'string' ? plain : plain.toString('utf8');
  if (isDeep(text)) throw new BadAnswer(`what nests deeper than ${DEPTH_MAX}`);
  return { statusCode, headers: rest, body: text };
}

async function unpacked(body: Buffer, encoding: string, bytesMax: number): Promise<Buffer> {
  if (!/gzip|deflate/i.test(encoding) || body.length === 0) return body;
  try {
    return await unzipped(body, { maxOutputLength: bytesMax });
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLong(bytesMax);
    throw new BadAnswer(`${encoding} that cannot be unpacked`);
  }
}

/** No path: what somebody else writes into it may be long, or a secret. */
function placeOf(location: unknown): string {
  if (typeof location !== 'string' || !URL.canParse(location)) return '';
  return `, a redirect to ${new URL(location).origin.slice(0, 100)}`;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Counts brackets outside of strings. */
function isDeep(text: string): boolean {
  let depth = 0;
  let isString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isString) {
      if (code === BACKSLASH) at++;
      else if (code === QUOTE) isString = false;
    } else if (code === QUOTE) isString = true;
    // `[` and `{`, `]` and `}` differ in one bit.
    else if ((code | 0x20) === 0x7b && ++depth > DEPTH_MAX) return true;
    else if ((code | 0x20) === 0x7d) depth--;
  }
  return false;
}
