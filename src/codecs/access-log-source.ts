import type { DecodeRequest } from './codec.ts';
import type { GeneratedParts } from './generated-decoder.ts';
import { emptyWho, isOddAddress, readWho } from './client.ts';
import { isIpv4, readAddress } from './ip.ts';
import { storeHost } from './lines.ts';
import {
  URL_STOP,
  closingQuote,
  fieldEnd,
  isTwoQuoted,
  methodEnd,
  protocolEnd,
  quoteOrNewline,
  restEnd,
  urlPartEnd,
} from './quoted.ts';
import { parseClfTime } from './times/clf.ts';

const TOOLS = {
  closingQuote,
  emptyWho,
  fieldEnd,
  isIpv4,
  isOddAddress,
  isTwoQuoted,
  methodEnd,
  parseClfTime,
  protocolEnd,
  quoteOrNewline,
  readAddress,
  readWho,
  restEnd,
  storeHost,
  urlPartEnd,
};

const REQUEST_FIELDS = ['http.request.method', 'url.original', 'url.path', 'url.query', 'http.version'];

/** What is generated for an access log: the grammar of access-log.ts from left to right, and stores of projected fields. */
export function accessLogParts(isCombined: boolean, request: DecodeRequest): GeneratedParts {
  const stores = new Stores(request);
  const hasRequest = REQUEST_FIELDS.some((field) => stores.has(field));
  return {
    tools: TOOLS,
    prepare: `${stores.declarations()}
  // The last hour seen, as words of its text: with overlaps, all of it but minutes and seconds.
  let hourMs = NaN, hour0 = 0, hour1 = 0, hour2 = 0, hour3 = 0, zone0 = 0, zone1 = 0;
  // No backslash lies between what has been read and this position.
  let backslash = bytes.indexOf(92);
  if (backslash < 0) backslash = limit;
  const who = emptyWho();`,
    line: `let first = 0, quote = 0;
      ${whoSource(stores)}
      ${hasRequest ? requestSource(stores) : quotedSource(stores, 'request')}
      ${statusSource(stores)}
      ${byteCountSource(stores)}
      ${isCombined ? quotedSource(stores, 'http.request.referrer') + quotedSource(stores, 'user_agent.original') : 'if (bytes[at] === 32 && isTwoQuoted(bytes, at + 1)) break line;'}
      ${restSource(stores)}
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
          ? `const start${i} = batch.decoded[${i}].start, length${i} = batch.decoded[${i}].length;`
          : `const values${i} = batch.decoded[${i}].values;`,
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

  /** The host that `address` holds, or NULL where `condition` does not hold. */
  hostIf(condition: string, field: string): string {
    return this.#each(field, (i) => `storeHost(batch, ${i}, row, ${condition} ? address : undefined);`);
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

const ADDRESS_FIELDS = ['source.address', 'source.ip', 'source.port'];

/**
 * `address identity user [17/May/2015:10:05:03 +0000] "`: three words and a time; whatever else stands there is for `readWho`. Leaves `at`
 * on the blank behind the time.
 */
function whoSource(stores: Stores): string {
  const hasAddress = ADDRESS_FIELDS.some((field) => stores.has(field));
  return `let address0 = at, address1 = 0, identity0 = 0, identity1 = 0, user0 = 0, user1 = 0;
      let hasDomain = false;
      who: {
        words: {
          while (bytes[at] > 32) at++;
          address1 = at;
          if (at === address0 || bytes[at] !== 32) break words;
          identity0 = ++at;
          while (bytes[at] > 32) at++;
          identity1 = at;
          if (at === identity0 || bytes[at] !== 32) break words;
          user0 = ++at;
          while (bytes[at] > 32) at++;
          user1 = at;
          if (at === user0 || bytes[at] !== 32 || bytes[at + 1] !== 91) break words;
          first = at + 2;
          ${timeSource()}
          if (timeMs === timeMs && bytes[at] === 93 && bytes[at + 1] === 32 && bytes[at + 2] === 34) break who;
        }
        first = readWho(bytes, begin, who);
        if (first < 0) break line;
        at = fieldEnd(bytes, first, 93);
        timeMs = at === first + 26 ? parseClfTime(bytes, first) : NaN;
        address0 = who.addressStart; address1 = who.addressEnd;
        identity0 = who.identityStart; identity1 = who.identityEnd;
        user0 = who.userStart; user1 = who.userEnd;
        hasDomain = who.domainEnd > 0;
      }
      at++;
      ${hasAddress ? addressSource(stores) : ''}
      ${stores.textIf(isNotDash('identity0', 'identity1'), 'apache.access.user.identity', 'identity0', 'identity1')}
      ${stores.textIf(`user1 > user0 && (${isNotDash('user0', 'user1')})`, 'user.name', 'user0', 'user1')}
      ${domainSource(stores)}
      ${stores.number('@timestamp', 'timeMs')}`;
}

function addressSource(stores: Stores): string {
  return `if (isOddAddress(view, address0, address1, limit)) {
        const address = readAddress(bytes, address0, address1);
        ${stores.hostIf(isNotDash('address0', 'address1'), 'source.address')}
        ${stores.hostIf('address.isIp', 'source.ip')}
        ${stores.number('source.port', 'address.port')}
      } else {
        ${stores.textIf(isNotDash('address0', 'address1'), 'source.address', 'address0', 'address1')}
        ${stores.textIf('isIpv4(bytes, address0, address1)', 'source.ip', 'address0', 'address1')}
        ${stores.number('source.port', 'NaN')}
      }`;
}

function domainSource(stores: Stores): string {
  if (!stores.has('destination.domain') && !stores.has('destination.port')) return '';
  return `if (hasDomain) {
        const address = readAddress(bytes, who.domainStart, who.domainEnd);
        ${stores.hostIf('true', 'destination.domain')}
        ${stores.number('destination.port', 'address.port')}
      } else {
        ${stores.null('destination.domain')}
        ${stores.number('destination.port', 'NaN')}
      }`;
}

/** What other formats have behind: any text whose quotes are closed. */
function restSource(stores: Stores): string {
  return `if (bytes[at] === 32) {
        first = at + 1;
        at = restEnd(bytes, first);
        if (at < 0) break line;
        ${stores.textIf(`at > first && (${isNotDash('first', 'at')})`, 'rest', 'first', 'at')}
      } else {
        ${stores.null('rest')}
      }`;
}

/** The time at `first`: its hour is parsed only where the text is not that of the last one. Leaves `at` behind it. */
function timeSource(): string {
  return `at = first + 26;
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
          }`;
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
