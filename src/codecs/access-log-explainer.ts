import { WHO, clfTime, isClient } from './access-log-interpreter.ts';
import { type Explanation, type LineExplainer, VALUE_BYTES, cutBytes, expected } from './explanation.ts';

const ADDRESS = 'source.address';
const IDENTITY = 'apache.access.user.identity';
const USER = 'user.name';
const TIME = '@timestamp';
const REQUEST = 'http.request.method';
const STATUS = 'http.response.status_code';
const BYTES = 'http.response.body.bytes';
/** Behind the byte count of a `common` line: the end of a `combined` one. */
const COMBINED_END = / "(?:[^"\\]|\\[^])*" "/y;

/** Goes through a line field by field, as the grammar in access-log.ts has them, to the first that is not as it should be. */
export function accessLogExplainer(isCombined: boolean, hasEventTime: boolean): LineExplainer {
  return (bytes) => {
    const line = Buffer.from(bytes).toString('latin1');
    const who = WHO.exec(line);
    if (who === null) return whoFault(line);
    const before = who[5];
    if (before !== undefined && !isClient(before)) return clientFault(line, before.length);
    const fault = new FieldWalk(line, who[0].length).fault(isCombined);
    return fault ?? (hasEventTime ? timeFault(who) : undefined);
  };
}

function timeFault(who: RegExpExecArray): Explanation | undefined {
  const group = who[4] === undefined ? 6 : 4;
  if (clfTime(who[group]!) !== null) return undefined;
  const problem = `expected a time such as 17/May/2015:10:05:03 +0000, found '${cutBytes(who[group]!, VALUE_BYTES)}'`;
  return { field: TIME, column: who.indices![group]![0] + 1, problem };
}

/** Before the request there are not three words and a time. */
function whoFault(line: string): Explanation {
  const quote = line.indexOf('"');
  const bracket = line.lastIndexOf(' [', quote < 0 ? line.length : quote);
  if (bracket >= 0) return bracketFault(line, bracket + 1);
  let at = 0;
  const words = [
    [ADDRESS, 'an address'],
    [IDENTITY, "an identity or '-'"],
    [USER, "a user or '-'"],
  ] as const;
  for (const [i, [field, what]] of words.entries()) {
    const end = wordEnd(line, at);
    if (end === at) return expected(field, line, at, what);
    if (line[end] !== ' ') return expected(words[i + 1]?.[0] ?? TIME, line, end, 'a blank');
    at = end + 1;
  }
  return line[at] === '[' ? bracketFault(line, at) : expected(TIME, line, at, "'[' and a time");
}

/** `at` is that of the bracket which opens the time. */
function bracketFault(line: string, at: number): Explanation {
  const close = line.indexOf(']', at);
  const quote = line.indexOf('"', at);
  if (close < 0 || (quote >= 0 && quote < close)) return { field: TIME, column: at + 1, problem: 'no closing bracket' };
  if (!line.startsWith(' "', close + 1)) return expected(REQUEST, line, close + 1, 'a blank and a quote');
  return { field: TIME, column: line.indexOf('[', at + 1) + 1, problem: 'a bracket inside of brackets' };
}

/** What stands before the time, up to `end`, is not an address, an identity and a user. */
function clientFault(line: string, end: number): Explanation {
  let at = 0;
  for (;;) {
    const from = at;
    at = Math.min(end, wordEnd(line, at));
    if (at === from || line.slice(from, at) === ',') return expected(ADDRESS, line, from, 'an address');
    const isListed = line[at - 1] === ',';
    if (at === end || line[at] !== ' ')
      return expected(isListed ? ADDRESS : IDENTITY, line, at, `a blank and an ${isListed ? 'address' : 'identity'}`);
    if (!isListed) break;
    at++;
  }
  const identity = at + 1;
  at = Math.min(end, wordEnd(line, identity));
  if (at === identity) return expected(IDENTITY, line, at, "an identity or '-'");
  return expected(USER, line, at, 'a blank and a user');
}

function wordEnd(line: string, from: number): number {
  let at = from;
  while (line.charCodeAt(at) > 0x20) at++;
  return at;
}

/** The fields from the request on. */
class FieldWalk {
  readonly #line: string;
  #at: number;

  constructor(line: string, at: number) {
    this.#line = line;
    this.#at = at;
  }

  fault(isCombined: boolean): Explanation | undefined {
    return (
      this.#quoted(REQUEST) ??
      this.#blank(STATUS) ??
      this.#word(STATUS, /^(?:\d{3}|-)$/, "three digits or '-'") ??
      this.#blank(BYTES) ??
      this.#word(BYTES, /^(?:\d{1,16}|-)$/, "up to 16 digits or '-'") ??
      (isCombined
        ? (this.#blank('http.request.referrer') ??
          this.#quoted('http.request.referrer') ??
          this.#blank('user_agent.original') ??
          this.#quoted('user_agent.original'))
        : this.#combinedEnd()) ??
      this.#rest()
    );
  }

  #blank(field: string): Explanation | undefined {
    if (this.#line[this.#at] !== ' ') return expected(field, this.#line, this.#at, 'a blank');
    this.#at++;
    return undefined;
  }

  #quoted(field: string): Explanation | undefined {
    if (this.#line[this.#at] !== '"') return expected(field, this.#line, this.#at, 'a quote');
    const end = quoteEnd(this.#line, this.#at);
    if (end < 0) return { field, column: this.#at + 1, problem: 'no closing quote' };
    this.#at = end;
    return undefined;
  }

  #word(field: string, form: RegExp, what: string): Explanation | undefined {
    const blank = this.#line.indexOf(' ', this.#at);
    const end = blank < 0 ? this.#line.length : blank;
    const word = this.#line.slice(this.#at, end);
    if (!form.test(word)) return expected(field, this.#line, this.#at, what);
    if (Number(word) > Number.MAX_SAFE_INTEGER)
      return expected(field, this.#line, this.#at, `at most ${Number.MAX_SAFE_INTEGER}`);
    this.#at = end;
    return undefined;
  }

  #combinedEnd(): Explanation | undefined {
    COMBINED_END.lastIndex = this.#at;
    if (!COMBINED_END.test(this.#line)) return undefined;
    return { field: 'rest', column: this.#at + 2, problem: 'two texts in quotes, as lines of the codec combined have' };
  }

  #rest(): Explanation | undefined {
    const line = this.#line;
    if (this.#at === line.length) return undefined;
    if (line[this.#at] !== ' ') return expected('rest', line, this.#at, 'a blank or the end of the line');
    for (let quote = line.indexOf('"', this.#at); quote >= 0;) {
      const end = quoteEnd(line, quote);
      if (end < 0) return { field: 'rest', column: quote + 1, problem: 'no closing quote' };
      quote = line.indexOf('"', end);
    }
    return undefined;
  }
}

/** One past the quote that closes the one at `open`, −1 where there is none. */
function quoteEnd(line: string, open: number): number {
  for (let at = open + 1; at < line.length; at++) {
    if (line[at] === '\\') at++;
    else if (line[at] === '"') return at + 1;
  }
  return -1;
}
