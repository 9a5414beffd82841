import { assert } from '../lib/assert.ts';
import type { Batch, FieldType } from '../record/batch.ts';
import { accessLogParser } from './access-log-interpreter.ts';
import { decoderSource } from './access-log-source.ts';
import type { BlockLines, DecodeRequest, Decoder } from './codec.ts';
import { isIpAddress } from './ip.ts';
import { asBuffer, damagedBlock, fillRow, interpretLines, setBounds } from './lines.ts';
import { closingQuote, fieldEnd, methodEnd, protocolEnd, quoteOrNewline, urlPartEnd } from './quoted.ts';
import { parseClfTime } from './timestamps.ts';

/**
 * The grammar of `common` and, with the part in braces, of `combined`, as Apache httpd and nginx write it:
 *
 *     address SP identity SP user SP "[" time "]" SP quoted SP status SP bytes { SP quoted SP quoted }
 *     quoted  = DQUOTE *( "\" any / any but DQUOTE ) DQUOTE                 kept as written, escapes and all
 *     request = method SP target SP "HTTP/" version                       the content of the first quoted
 *
 * An address, identity or user is a run of bytes above the blank; status is 3 digits and bytes up to 16 that make an exact
 * integer, or `-`. A line is malformed where this does not match it from end to end. Not malformed, but NULL: a field that is
 * `-`; a time that is none; a `source.ip` that is a host name; method, version, path and query of a request line of another
 * shape (scanners send anything), whose whole text is then `url.original`.
 */
const COMMON_FIELDS = {
  'source.address': 'keyword',
  'source.ip': 'ip',
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

/** How many of the lines match the grammar. */
export function countAccessLogLines(isCombined: boolean, lines: readonly Uint8Array[]): number {
  const parse = accessLogParser(isCombined);
  return lines.filter((line) => parse(asBuffer(line), 0, line.length) !== undefined).length;
}

/**
 * The fast decoder: one loop over the block, generated for the request, that looks at each byte once and stores projected
 * fields only. The generated text holds nothing from outside but column numbers. What is rare goes to the plain reading:
 * a last line without newline, and blocks of joined lines (an access log has none).
 */
export function compileAccessLog(isCombined: boolean, request: DecodeRequest): Decoder {
  checkRequest(isCombined, request);
  const parse = accessLogParser(isCombined);
  // oxlint-disable-next-line typescript/no-implied-eval -- generated from column numbers only
  const build = new Function('tools', decoderSource(isCombined, request)) as (tools: object) => FastLoop;
  const loop = build({
    setBounds,
    damagedBlock,
    closingQuote,
    fieldEnd,
    quoteOrNewline,
    methodEnd,
    urlPartEnd,
    protocolEnd,
    parseClfTime,
    isIpAddress,
    interpretRow(block: BlockLines, bytes: Buffer, batch: Batch, row: number, start: number): void {
      setBounds(block, batch, row, start, bytes.length);
      fillRow(batch, row, request, parse(bytes, start, batch.lineEnd[row]!));
    },
  });
  return (block, batch) => {
    if (block.lengths !== undefined) return interpretLines(block, batch, request, parse);
    const { bytes } = block;
    batch.reset(bytes, block.lines);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    loop(block, batch, asBuffer(bytes), view);
    batch.length = block.lines;
  };
}

type FastLoop = (block: BlockLines, batch: Batch, bytes: Buffer, view: DataView) => void;

function checkRequest(isCombined: boolean, request: DecodeRequest): void {
  const known = accessLogFields(isCombined);
  for (const { name, type } of request.fields) assert(known[name] === type, `access log field ${name} of type ${type}`);
  const { eventTimeField } = request;
  assert(eventTimeField === undefined || known[eventTimeField] === 'date', `access log event time ${eventTimeField}`);
}
