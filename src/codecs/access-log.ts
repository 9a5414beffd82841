import { assert } from '../lib/assert.ts';
import type { FieldType } from '../record/batch.ts';
import { accessLogExplainer } from './access-log-explainer.ts';
import { accessLogParser } from './access-log-interpreter.ts';
import { accessLogParts } from './access-log-source.ts';
import type { DecodeRequest, Decoder } from './codec.ts';
import type { LineExplainer } from './explanation.ts';
import { generateDecoder } from './generated-decoder.ts';
import { interpretLines } from './lines.ts';

/**
 * The grammar of `common` and, with the part in braces, of `combined`, as Apache httpd and nginx write it:
 *
 *     [ vhost SP ] address SP identity SP user SP "[" time "]" SP quoted SP status SP bytes { SP quoted SP quoted } [ SP rest ]
 *     quoted  = DQUOTE *( "\" any / any but DQUOTE ) DQUOTE                 kept as written, escapes and all
 *     request = method SP target SP "HTTP/" version                       the content of the first quoted
 *     rest    = *( quoted / any but DQUOTE )                              what the server was told to add
 *
 * An address or identity is a run of bytes above the blank; an address may have a port, or be several with a comma and a blank between
 * them, of which the first is the client (see ip.ts). A user may have blanks, or be empty, where no quote stands before the time. Of four
 * words and more before the time the first is the virtual host where the second is no `-`, and either the third is `-` or the second alone
 * an IP address. Status is 3 digits and bytes up to 16 that make an exact integer, or `-`. The rest of a `common` line does not begin like
 * the end of a `combined` one.
 *
 * A line is malformed where this does not match it from end to end. Not malformed, but NULL: a field that is `-`; a time that is none; a
 * `source.ip` that is a host name; method, version, path and query of a request line of another shape (scanners send anything), whose
 * whole text is then `url.original`.
 */
const COMMON_FIELDS = {
  'destination.domain': 'keyword',
  'destination.port': 'long',
  'source.address': 'keyword',
  'source.ip': 'ip',
  'source.port': 'long',
  'apache.access.user.identity': 'keyword',
  'user.name': 'keyword',
  '@timestamp': 'date',
  'http.request.method': 'keyword',
  'url.original': 'keyword',
  'url.path': 'keyword',
  'url.query': 'keyword',
  'http.version': 'keyword',
  'http.response.status_code': 'long',
  'http.response.body.bytes': 'long',
  rest: 'keyword',
} as const satisfies Record<string, FieldType>;

const COMBINED_FIELDS = {
  ...COMMON_FIELDS,
  'http.request.referrer': 'keyword',
  'user_agent.original': 'keyword',
} as const satisfies Record<string, FieldType>;

export function accessLogFields(isCombined: boolean): Readonly<Record<string, FieldType>> {
  return isCombined ? COMBINED_FIELDS : COMMON_FIELDS;
}

export function interpretAccessLog(isCombined: boolean, request: DecodeRequest): Decoder {
  checkRequest(isCombined, request);
  const parse = accessLogParser(isCombined);
  return (block, batch) => interpretLines(block, batch, request, parse);
}

export function compileAccessLog(isCombined: boolean, request: DecodeRequest): Decoder {
  checkRequest(isCombined, request);
  return generateDecoder(request, accessLogParser(isCombined), accessLogParts(isCombined, request));
}

export function explainAccessLog(isCombined: boolean, request: DecodeRequest): LineExplainer {
  checkRequest(isCombined, request);
  return accessLogExplainer(isCombined, request.eventTimeField !== undefined);
}

function checkRequest(isCombined: boolean, request: DecodeRequest): void {
  const known = accessLogFields(isCombined);
  for (const { name, type } of request.fields) assert(known[name] === type, `access log field ${name} of type ${type}`);
  const { eventTimeField } = request;
  assert(eventTimeField === undefined || known[eventTimeField] === 'date', `access log event time ${eventTimeField}`);
}
