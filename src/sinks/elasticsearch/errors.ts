import { errors } from '@elastic/elasticsearch';
import { EXIT, OperatingError } from '../../lib/errors.ts';
import { escapeText } from '../../lib/escape.ts';
import { badAnswerError, longAnswerError } from './answer-shapes.ts';
import { BadAnswer, LongAnswer } from './bounded-connection.ts';

/** Reasons quote what was sent: enough to recognise it, and no more. */
const REASON_CHARACTERS_MAX = 300;

/**
 * What OpenSSL and Node say when a certificate is not trusted, not for this host, too old, or when the other side speaks no TLS. The client
 * hands on the text and not the code. A handshake that breaks off is none of these: the server was going away, and comes back.
 */
const TLS_TROUBLE = /certificate|altnames|unknown ca|wrong version number|packet length too long/i;

interface Answer {
  readonly code: string;
  readonly isRetryable: boolean;
  readonly hint: string;
  readonly exitCode?: number;
}

const TOO_BUSY: Answer = {
  code: 'ES_BUSY',
  isRetryable: true,
  hint: 'it is asked again; look at its load, its disk and its circuit breakers when that goes on',
};
const ANSWERS: Readonly<Record<number, Answer>> = {
  401: {
    code: 'ES_AUTH',
    isRetryable: false,
    hint: 'give a valid api_key, or username and password',
    exitCode: EXIT.config,
  },
  403: {
    code: 'ES_FORBIDDEN',
    isRetryable: false,
    hint: 'give the key or user the privileges that the documentation of the sink names',
    exitCode: EXIT.config,
  },
  404: { code: 'ES_NOT_FOUND', isRetryable: false, hint: 'look at the name, or write to it first' },
  408: TOO_BUSY,
  413: {
    code: 'ES_TOO_LARGE',
    isRetryable: false,
    hint: "lower the size of a bulk below the server's http.max_content_length",
  },
  429: TOO_BUSY,
  500: { code: 'ES_FAILED', isRetryable: true, hint: 'look into the log of Elasticsearch' },
  502: TOO_BUSY,
  503: TOO_BUSY,
  504: TOO_BUSY,
};
const REFUSED: Answer = { code: 'ES_REFUSED', isRetryable: false, hint: 'look into the log of Elasticsearch' };

/**
 * What the client threw, as one of our errors: `ES_UNREACHABLE` and `ES_TIMEOUT` (outcome unknown), `ES_TLS`, `ES_AUTH`, `ES_FORBIDDEN`,
 * `ES_BUSY`, `ES_REFUSED`, …. Nothing of a request's headers or body gets into the message. Anything else is returned as it came.
 */
export function requestError(error: unknown, what: string, where: string): unknown {
  if (error instanceof errors.ResponseError) return responseError(error, what, where);
  const unreachable = { code: 'ES_UNREACHABLE', isRetryable: true, exitCode: EXIT.unreachable };
  if (error instanceof errors.TimeoutError) {
    const hint = 'it is asked again; look at its load when that goes on';
    return new OperatingError(`${what}: no answer in time from ${where}`, { ...unreachable, code: 'ES_TIMEOUT', hint });
  }
  if (error instanceof errors.ProductNotSupportedError) {
    const hint = 'name the address of an Elasticsearch 9; other products speak another language';
    // Somebody may stand in between for a while and answer in its place: waited for, it ends nothing else.
    const options = { ...unreachable, code: 'ES_PRODUCT', hint };
    return new OperatingError(`${what}: the server at ${where} is not an Elasticsearch`, options);
  }
  if (error instanceof errors.ConnectionError || error instanceof errors.NoLivingConnectionsError) {
    if (TLS_TROUBLE.test(error.message)) {
      const hint =
        "set tls.ca to the authority's certificate, and tls.server_name where the certificate has another name";
      const message = `${what}: no trusted connection to ${where}: ${escapeText(error.message)}`;
      return new OperatingError(message, { code: 'ES_TLS', exitCode: EXIT.config, hint });
    }
    const reason = error.message === '' ? 'no connection' : escapeText(error.message);
    const hint = 'start it, or look at nodes';
    return new OperatingError(`${what}: ${where} cannot be reached: ${reason}`, { ...unreachable, hint });
  }
  if (error instanceof LongAnswer) return longAnswerError(`${what}: ${where} answered ${error.message}`);
  if (error instanceof BadAnswer) return badAnswerError(`${what}: ${where} answered ${escapeText(error.message)}`);
  if (error instanceof errors.DeserializationError) {
    const hint = 'look at what stands between here and Elasticsearch';
    return new OperatingError(`${what}: the answer from ${where} is no JSON`, { ...unreachable, hint });
  }
  return error;
}

function responseError(error: errors.ResponseError, what: string, where: string): OperatingError {
  const status = error.statusCode ?? 0;
  const answer = ANSWERS[status] ?? REFUSED;
  const reason = reasonOf(error.body);
  if (/media_type_header_exception|Accept version/i.test(reason)) {
    const hint = 'use Elasticsearch 9 or later';
    return new OperatingError(`${what}: the Elasticsearch at ${where} is too old`, { code: 'ES_VERSION', hint });
  }
  const { isRetryable, hint, code, exitCode = EXIT.failed } = answer;
  const message = `${what}: ${where} answered ${status}${reason === '' ? '' : `: ${reason}`}`;
  return new OperatingError(message, { code, isRetryable, hint, exitCode });
}

/** Type and reason of an error as Elasticsearch answers it, safe to show. */
export function reasonOf(body: unknown): string {
  const error = property(body, 'error') ?? body;
  if (typeof error === 'string') return shown(error);
  const type = property(error, 'type');
  const reason = property(error, 'reason');
  const roots = property(error, 'root_cause');
  const root: unknown = Array.isArray(roots) ? roots[0] : undefined;
  const cause = property(property(error, 'caused_by'), 'reason') ?? property(root, 'reason');
  return shown(
    [type, reason, cause === reason ? undefined : cause].filter((part) => typeof part === 'string').join(': '),
  );
}

function shown(text: string): string {
  const line = escapeText(text.slice(0, REASON_CHARACTERS_MAX));
  return text.length <= REASON_CHARACTERS_MAX && line.length <= REASON_CHARACTERS_MAX
    ? line
    : `${line.slice(0, REASON_CHARACTERS_MAX - 1)}…`;
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
