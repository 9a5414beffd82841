import type { DecodeRequest } from './codec.ts';
import type { GeneratedParts } from './generated-decoder.ts';
import { isIpAddress } from './ip.ts';
import { URL_STOP, closingQuote, fieldEnd, methodEnd, protocolEnd, quoteOrNewline, urlPartEnd } from './quoted.ts';
import { parseClfTime } from './timestamps.ts';

const REQUEST_FIELDS = ['http.request.method', 'url.original', 'url.path', 'url.query', 'http.version'];

/** What is generated for an access log: the grammar of access-log.ts from left to right, and stores of projected fields. */
export function accessLogParts(isCombined: boolean, request: DecodeRequest): GeneratedParts {
  const stores = new Stores(request);
  const hasRequest = REQUEST_FIELDS.some((field) => stores.has(field));
  return {
    tools: { closingQuote, fieldEnd, quoteOrNewline, methodEnd, urlPartEnd, protocolEnd, parseClfTime, isIpAddress },
    prepare: `${stores.declarations()}
  // The last hour seen, as words of its text: with overlaps, all of it but minutes and seconds.
  let hourMs = NaN, hour0 = 0, hour1 = 0, hour2 = 0, hour3 = 0, zone0 = 0, zone1 = 0;
  // No backslash lies between what has been read and this position.
  let backslash = bytes.indexOf(92);
  if (backslash < 0) backslash = limit;`,
    line: `let first = 0, quote = 0;
      ${tokenSource(stores, 'source.address')}
      ${tokenSource(stores, 'apache.access.user.identity')}
      ${tokenSource(stores, 'user.name')}
      ${timeSource(stores)}
      ${hasRequest ? requestSource(stores) : quotedSource(stores, 'request')}
      ${statusSource(stores)}
      ${byteCountSource(stores)}
      ${isCombined ? quotedSource(stores, 'http.request.referrer') + quotedSource(stores, 'user_agent.original') : ''}
      if (bytes[at] === 13) at++;`,
  };
}

/** Statements that store a value in the columns of a field: none, where the field is not projected. */
class Stores {
  readonly #request: DecodeRequest;

  constructor(request: DecodeRequest) {
    this.#request = request;
  }

  has(field: string): boolean {
    return this.#request.fields.some(({ name }) => name === field);
  }

  declarations(): string {
    return this.#request.fields
      .map(({ type }, i) =>
        type === 'keyword' || type === 'ip'
          ? `const start${i} = batch.columns[${i}].start, length${i} = batch.columns[${i}].length;`
          : `const values${i} = batch.columns[${i}].values;`,
      )
      .join('\n  ');
  }

  /** The text in [from, to). */
  text(field: string, from: string, to: string): string {
    return this.#each(field, (i) => `start${i}[row] = ${from}; length${i}[row] = ${to} - (${from});`);
  }

  /** The text in [from, to), or NULL where `condition` does not hold. */
  textIf(condition: string, field: string, from: string, to: string): string {
    return this.#each(field, (i) => `start${i}[row] = ${from}; length${i}[row] = ${condition} ? ${to} - ${from} : -1;`);
  }

  null(field: string): string {
    return this.#each(field, (i) => `length${i}[row] = -1;`);
  }

  number(field: string, value: string): string {
    return this.#each(field, (i) => `values${i}[row] = ${value};`);
  }

  #each(field: string, statement: (column: number) => string): string {
    return this.#request.fields.map(({ name }, i) => (name === field ? statement(i) : '')).join('');
  }
}

/** Text in [from, to) is NULL where it is a lone `-`. */
function isNotDash(from: string, to: string): string {
  return `${to} - ${from} !== 1 || bytes[${from}] !== 45`;
}

/** A run of bytes above the blank, and the blank that ends it. */
function tokenSource(stores: Stores, field: string): string {
  const isIp =
    field === 'source.address' ? stores.textIf('isIpAddress(bytes, first, at)', 'source.ip', 'first', 'at') : '';
  return `first = at;
      while (bytes[at] > 32) at++;
      if (at === first || bytes[at] !== 32) break line;
      ${stores.textIf(isNotDash('first', 'at'), field, 'first', 'at')} ${isIp}
      at++;`;
}

/** `[17/May/2015:10:05:03 +0000] `: the hour is parsed only where its text is not that of the last one. */
function timeSource(stores: Stores): string {
  return `if (bytes[at] !== 91) break line;
      first = at + 1;
      at = first + 26;
      if (at < limit) {
        if (view.getInt32(first, true) === hour0 && view.getInt32(first + 4, true) === hour1 &&
            view.getInt32(first + 8, true) === hour2 && view.getInt32(first + 11, true) === hour3 &&
            view.getInt32(first + 20, true) === zone0 && view.getInt32(first + 22, true) === zone1) {
          const minute10 = bytes[first + 15] - 48, minute1 = bytes[first + 16] - 48;
          const second10 = bytes[first + 18] - 48, second1 = bytes[first + 19] - 48;
          if (minute10 >= 0 && minute10 < 6 && minute1 >= 0 && minute1 < 10 && bytes[first + 17] === 58 &&
              second10 >= 0 && second10 < 6 && second1 >= 0 && second1 < 10) {
            timeMs = hourMs + (minute10 * 600 + minute1 * 60 + second10 * 10 + second1) * 1000;
          }
        }
        if (timeMs !== timeMs) {
          timeMs = parseClfTime(bytes, first);
          if (timeMs === timeMs) {
            const minutes = bytes[first + 15] * 10 + bytes[first + 16] - 528;
            hourMs = timeMs - (minutes * 60 + bytes[first + 18] * 10 + bytes[first + 19] - 528) * 1000;
            hour0 = view.getInt32(first, true); hour1 = view.getInt32(first + 4, true);
            hour2 = view.getInt32(first + 8, true); hour3 = view.getInt32(first + 11, true);
            zone0 = view.getInt32(first + 20, true); zone1 = view.getInt32(first + 22, true);
          }
        }
      }
      if (timeMs !== timeMs || bytes[at] !== 93) {
        timeMs = NaN;
        at = fieldEnd(bytes, first, 93);
        if (bytes[at] !== 93) break line;
      }
      ${stores.number('@timestamp', 'timeMs')}
      at++;`;
}

const NEXT_BACKSLASH = `backslash = bytes.indexOf(92, quote);
        if (backslash < 0) backslash = limit;`;

/** A quoted field after a blank. Only where a backslash may lie in it is it read byte by byte. */
function quotedSource(stores: Stores, field: string): string {
  return `if (bytes[at] !== 32 || bytes[at + 1] !== 34) break line;
      first = at + 2;
      quote = quoteOrNewline(view, bytes, first, limit);
      if (backslash < quote) {
        quote = closingQuote(bytes, first);
        if (quote < 0) break line;
        ${NEXT_BACKSLASH}
      } else if (bytes[quote] !== 34) break line;
      ${stores.textIf(isNotDash('first', 'quote'), field, 'first', 'quote')}
      at = quote + 1;
      `;
}

/** The request line, in quotes after a blank; where it is not `METHOD target HTTP/x` its whole text becomes url.original. */
function requestSource(stores: Stores): string {
  return `if (bytes[at] !== 32 || bytes[at + 1] !== 34) break line;
      first = at + 2;
      quote = -1;
      at = methodEnd(bytes, first);
      if (at !== first && bytes[at] === 32) {
        const target = at + 1, plainEnd = backslash < target ? target : backslash;
        ${targetSource(stores)}
        quote = at !== target && bytes[at] === 32 ? protocolEnd(bytes, at + 1) : -1;
        if (quote >= 0) {
          ${stores.text('http.request.method', 'first', 'target - 1')}
          ${stores.text('url.original', 'target', 'at')}
          ${stores.text('http.version', 'at + 6', 'quote')}
        }
      }
      if (quote < 0) {
        quote = closingQuote(bytes, first);
        if (quote < 0) break line;
        ${stores.textIf(isNotDash('first', 'quote'), 'url.original', 'first', 'quote')}
        ${['http.request.method', 'url.path', 'url.query', 'http.version'].map((field) => stores.null(field)).join('')}
      }
      if (backslash < quote) {
        ${NEXT_BACKSLASH}
      }
      at = quote + 1;`;
}

/** Leaves `at` at the end of the target, and stores its parts, where one of them is projected. */
function targetSource(stores: Stores): string {
  if (!stores.has('url.path') && !stores.has('url.query'))
    return `at = urlPartEnd(view, bytes, target, ${URL_STOP.end}, plainEnd);`;
  return `at = urlPartEnd(view, bytes, target, ${URL_STOP.end + URL_STOP.query + URL_STOP.fragment}, plainEnd);
        ${stores.text('url.path', 'target', 'at')}
        ${stores.null('url.query')}
        if (bytes[at] === 63) {
          const query = at + 1;
          at = urlPartEnd(view, bytes, query, ${URL_STOP.end + URL_STOP.fragment}, plainEnd);
          ${stores.text('url.query', 'query', 'at')}
        }
        if (bytes[at] === 35) at = urlPartEnd(view, bytes, at, ${URL_STOP.end}, plainEnd);`;
}

/** Three digits or `-`, after a blank. */
function statusSource(stores: Stores): string {
  return `if (bytes[at] !== 32) break line;
      at++;
      let status = NaN;
      if (bytes[at] === 45) at++;
      else {
        const hundreds = bytes[at] - 48;
        if (hundreds < 0 || hundreds > 9) break line;
        const tens = bytes[at + 1] - 48;
        if (tens < 0 || tens > 9) break line;
        const ones = bytes[at + 2] - 48;
        if (ones < 0 || ones > 9) break line;
        status = hundreds * 100 + tens * 10 + ones;
        at += 3;
      }
      ${stores.number('http.response.status_code', 'status')}`;
}

/** Up to 16 digits that make an exact integer, or `-`, after a blank. */
function byteCountSource(stores: Stores): string {
  return `if (bytes[at] !== 32) break line;
      at++;
      let count = NaN;
      if (bytes[at] === 45) at++;
      else {
        first = at;
        count = 0;
        for (let digit = bytes[at] - 48; digit >= 0 && digit <= 9; digit = bytes[++at] - 48) count = count * 10 + digit;
        if (at === first || at > first + 16 || count > ${Number.MAX_SAFE_INTEGER}) break line;
      }
      ${stores.number('http.response.body.bytes', 'count')}`;
}
