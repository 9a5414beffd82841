import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Clock } from '../../lib/clock.ts';
import { EXIT, OperatingError, describeError } from '../../lib/errors.ts';
import { escapeText } from '../../lib/escape.ts';
import { type ElasticsearchOptions, PROBE_TIMEOUT_MS_MIN, nodeUrl } from './client.ts';
import type { SavedObject } from './kibana-lens.ts';
import { toNdjson } from './kibana-objects.ts';

export interface KibanaOptions extends Pick<ElasticsearchOptions, 'auth' | 'tls' | 'isInsecureAllowed'> {
  /** Address, with the base path and the space (`/s/name`) if there are any. */
  readonly url: string;
}

interface RequestOptions {
  readonly body?: string;
  readonly contentType?: string;
  readonly timeoutMs?: number;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

const REQUEST_TIMEOUT_MS = 60_000;
/** Ours are some hundred kilobytes. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const READY_PAUSE_MS = 1000;
/** What an answer says is cut in messages. */
const SHOWN_CHARACTERS_MAX = 300;
/** At the beginning of a line it stands in no JSON. */
const BOUNDARY = 'tailrace-saved-objects';

/** Kibana's API of saved objects, as far as it is needed to put ours there and to see what is. */
export class Kibana {
  readonly #options: KibanaOptions;
  readonly #url: URL;

  constructor(options: KibanaOptions) {
    this.#options = options;
    this.#url = nodeUrl(options.url, options);
  }

  /** Waits until it is ready; throws what went wrong last when it is not in time. */
  async waitUntilReady(clock: Clock, timeoutMs: number): Promise<void> {
    const endMs = clock.monotonicMs() + timeoutMs;
    for (;;) {
      const problem = await this.#ask('GET', '/api/status', {
        timeoutMs: Math.max(PROBE_TIMEOUT_MS_MIN, timeoutMs),
      }).then(
        ({ status, body }) => (status === 200 && isJson(body) ? undefined : this.#refusal('its status', status, body)),
        (error: unknown) => error,
      );
      if (problem === undefined) return;
      if (!(problem instanceof OperatingError && problem.isRetryable) || clock.monotonicMs() >= endMs) throw problem;
      await clock.sleep(READY_PAUSE_MS);
    }
  }

  /** The object as Kibana has it; undefined where it has none. */
  async read({ type, id }: Pick<SavedObject, 'type' | 'id'>): Promise<SavedObject | undefined> {
    const wanted = { objects: [{ type, id }], includeReferencesDeep: false, excludeExportDetails: true };
    const { status, body } = await this.#ask('POST', '/api/saved_objects/_export', { body: JSON.stringify(wanted) });
    // An export of what is not there is a bad request.
    if (status === 400 || status === 404) return undefined;
    if (status !== 200) throw this.#refusal(`${type} ${id}`, status, body);
    const line = body.split('\n').find((one) => one.trim() !== '');
    return line === undefined ? undefined : (this.#parsed(SAVED_OBJECT, line, status) as unknown as SavedObject);
  }

  /** Puts objects there, in place of those with the same ids. */
  async import(objects: readonly SavedObject[]): Promise<void> {
    const body = [
      `--${BOUNDARY}`,
      'Content-Disposition: form-data; name="file"; filename="tailrace.ndjson"',
      'Content-Type: application/ndjson',
      '',
      toNdjson(objects),
      `--${BOUNDARY}--`,
      '',
    ].join('\r\n');
    const path = '/api/saved_objects/_import?overwrite=true';
    const answer = await this.#ask('POST', path, {
      body,
      contentType: `multipart/form-data; boundary=${BOUNDARY}`,
    });
    if (answer.status !== 200) throw this.#refusal('the import', answer.status, answer.body);
    const { success, errors = [] } = this.#parsed(IMPORTED, answer.body, answer.status);
    if (success === true) return;
    const failed = errors.map(({ type, id, error }) => `${type} ${id} (${error?.type ?? 'no reason'})`);
    throw new OperatingError(`Kibana did not take ${escapeText(failed.join(', '))}`, { code: 'KIBANA_REFUSED' });
  }

  #parsed<T>(shape: z.ZodType<T>, body: string, status: number): T {
    try {
      return shape.parse(JSON.parse(body));
    } catch {
      throw this.#refusal('its answer', status, body);
    }
  }

  #refusal(what: string, status: number, body: string): OperatingError {
    const { origin } = this.#url;
    const shown = escapeText(body.slice(0, SHOWN_CHARACTERS_MAX)).slice(0, SHOWN_CHARACTERS_MAX);
    const isAuth = status === 401 || status === 403;
    return new OperatingError(`${what}: Kibana at ${origin} answered ${status}: ${shown}`, {
      code: isAuth ? 'KIBANA_AUTH' : 'KIBANA_REFUSED',
      isRetryable: status === 429 || status >= 500,
      exitCode: isAuth ? EXIT.config : EXIT.failed,
      hint: isAuth
        ? 'give the key or user of the sink the right to write saved objects'
        : status === 200
          ? 'name the address of Kibana with --kibana: this is none'
          : 'look into the log of Kibana',
    });
  }

  #ask(
    method: string,
    path: string,
    { body = '', contentType = 'application/json', timeoutMs = REQUEST_TIMEOUT_MS }: RequestOptions = {},
  ): Promise<Answer> {
    const { auth, tls } = this.#options;
    const url = new URL(`${this.#url.pathname.replace(/\/$/, '')}${path}`, this.#url);
    return new Promise<Answer>((resolve, reject) => {
      const failed = (error: unknown): void =>
        reject(
          new OperatingError(`Kibana at ${url.origin} cannot be reached: ${escapeText(describeError(error))}`, {
            code: 'KIBANA_UNREACHABLE',
            isRetryable: true,
            exitCode: EXIT.unreachable,
            hint: 'start it, or name its address with --kibana',
          }),
        );
      const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
        method,
        headers: {
          // Kibana takes nothing that changes something without it.
          'kbn-xsrf': 'tailrace',
          'content-type': contentType,
          'content-length': Buffer.byteLength(body),
          ...(auth === undefined ? {} : { authorization: authorization(auth) }),
        },
        ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
        ...(tls?.serverName === undefined ? {} : { servername: tls.serverName }),
        timeout: timeoutMs,
      });
      const giveUp = (): unknown => request.destroy(new Error(`no answer within ${timeoutMs} ms`));
      // The one is of silence, the other of an answer that does not end.
      request.on('timeout', giveUp);
      const timer = setTimeout(giveUp, 2 * timeoutMs);
      request.on('close', () => clearTimeout(timer));
      request.on('error', failed);
      request.on('response', (response) => {
        textOf(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: answer }), failed);
      });
      request.end(body);
    });
  }
}

const IMPORTED = z.object({
  success: z.boolean().optional(),
  errors: z
    .array(z.object({ type: z.string(), id: z.string(), error: z.object({ type: z.string().optional() }).optional() }))
    .optional(),
});
const SAVED_OBJECT = z.looseObject({
  type: z.string(),
  id: z.string(),
  attributes: z.record(z.string(), z.unknown()),
  references: z.array(z.looseObject({ type: z.string(), id: z.string(), name: z.string() })),
});

async function textOf(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > ANSWER_BYTES_MAX) throw new Error(`an answer of more than ${ANSWER_BYTES_MAX} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function authorization(auth: NonNullable<ElasticsearchOptions['auth']>): string {
  if ('apiKey' in auth) return `ApiKey ${auth.apiKey}`;
  return `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;
}

/** Attributes and references with the JSON inside of texts opened, for comparing and showing. */
export function comparable({ attributes, references }: SavedObject): unknown {
  const opened = Object.entries(attributes).map(([name, value]) => [name, openJson(value)]);
  const sorted = [...references].sort((left, right) => (left.name < right.name ? -1 : 1));
  return { attributes: Object.fromEntries(opened), references: sorted };
}

function openJson(value: unknown): unknown {
  if (typeof value === 'object' && value !== null && 'searchSourceJSON' in value)
    return { ...value, searchSourceJSON: openJson(value.searchSourceJSON) };
  if (typeof value !== 'string' || !/^[[{]/.test(value)) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

/** Whether `there` says all that `ours` says; Kibana adds fields of its own when it brings an object up to date. */
export function holds(there: unknown, ours: unknown): boolean {
  if (typeof ours !== 'object' || ours === null || typeof there !== 'object' || there === null)
    return isDeepStrictEqual(there, ours);
  if (Array.isArray(ours) !== Array.isArray(there)) return false;
  if (Array.isArray(ours) && ours.length !== (there as readonly unknown[]).length) return false;
  return Object.entries(ours).every(([name, value]) => holds((there as Record<string, unknown>)[name], value));
}
