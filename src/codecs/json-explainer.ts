import { type Explanation, type LineExplainer, VALUE_BYTES, cutBytes, expected } from './explanation.ts';
import { JSON_DEPTH_MAX, numberEnd } from './json-scan.ts';
import { timeOfValue, unescaped } from './json-values.ts';
import type { TimeReader } from './times/reader.ts';

interface EventTime {
  readonly field: string;
  readonly format: string;
  readonly times: TimeReader;
}

/** Walks a line value by value to the first byte that JSON does not have there; where there is none, to the value of its event time. */
export function jsonExplainer(eventTime: EventTime | undefined): LineExplainer {
  return (line) => {
    const walk = new JsonWalk(line, eventTime?.field);
    return walk.fault ?? (eventTime === undefined ? undefined : timeFault(walk, eventTime));
  };
}

function timeFault({ bytes, line, timeAt }: JsonWalk, { field, format, times }: EventTime): Explanation | undefined {
  if (timeAt === undefined) return { field, column: undefined, problem: 'is missing' };
  const { start, end } = timeAt;
  const value = line.slice(start, end);
  if (!Number.isNaN(timeOfValue(bytes, start, end, value.includes('\\'), times))) return undefined;
  const problem = `expected a time (time_format ${format}), found ${cutBytes(value, VALUE_BYTES)}`;
  return { field, column: start + 1, problem };
}

/** Each method moves `#at` past what it reads, or sets `fault` and gives false. */
class JsonWalk {
  /** The line and a newline, on which the scans rely. */
  readonly bytes: Buffer;
  readonly line: string;
  fault: Explanation | undefined;
  /** The value of the event time that counts: the last one. */
  timeAt: { readonly start: number; readonly end: number } | undefined;
  readonly #timePath: string | undefined;
  #at = 0;
  /** The keys on the way to where we are, as latin1. */
  #path = '';
  #isInArray = false;

  constructor(line: Uint8Array, timeField: string | undefined) {
    this.bytes = Buffer.concat([line, Buffer.from('\n')]);
    this.line = this.bytes.toString('latin1', 0, line.length);
    this.#timePath = timeField === undefined ? undefined : Buffer.from(timeField).toString('latin1');
    this.#blanks();
    if (this.line[this.#at] !== '{') this.#expected("'{'");
    else if (this.#container(1, '}')) {
      this.#blanks();
      if (this.#at < line.length) this.#expected('the end of the line');
    }
  }

  #expected(what: string): false {
    this.fault = expected(this.#field(), this.line, this.#at, what);
    return false;
  }

  #fail(at: number, problem: string): false {
    this.fault = { field: this.#field(), column: at + 1, problem };
    return false;
  }

  #field(): string {
    return cutBytes(this.#path, VALUE_BYTES);
  }

  #blanks(): void {
    while (' \t\r\n'.includes(this.line[this.#at] ?? 'x')) this.#at++;
  }

  /** An object or array whose bracket is at `#at`. */
  #container(depth: number, close: '}' | ']'): boolean {
    if (depth > JSON_DEPTH_MAX) return this.#fail(this.#at, `nested deeper than ${JSON_DEPTH_MAX}`);
    this.#at++;
    this.#blanks();
    if (this.line[this.#at] === close) return this.#skip();
    for (;;) {
      if (!(close === '}' ? this.#member(depth) : this.#value(depth))) return false;
      this.#blanks();
      if (this.line[this.#at] === close) return this.#skip();
      if (this.line[this.#at] !== ',') return this.#expected(`',' or '${close}'`);
      this.#at++;
      this.#blanks();
    }
  }

  #skip(): true {
    this.#at++;
    return true;
  }

  #member(depth: number): boolean {
    const outer = this.#path;
    const open = this.#at;
    if (this.line[open] !== '"') return this.#expected('a key in quotes');
    if (!this.#string()) return false;
    const key = unescaped(this.bytes, open + 1, this.#at - 1).toString('latin1');
    this.#path = depth === 1 ? key : `${outer}.${key}`;
    this.#blanks();
    if (this.line[this.#at] !== ':') return this.#expected("':'");
    this.#at++;
    this.#blanks();
    const start = this.#at;
    if (!this.#value(depth)) return false;
    if (this.#path === this.#timePath && !this.#isInArray) this.timeAt = { start, end: this.#at };
    this.#path = outer;
    return true;
  }

  #value(depth: number): boolean {
    const first = this.line[this.#at];
    if (first === '"') return this.#string();
    if (first === '{') return this.#container(depth + 1, '}');
    if (first === '[') return this.#array(depth + 1);
    const word = ['true', 'false', 'null'].find((each) => this.line.startsWith(each, this.#at));
    const end = word === undefined ? numberEnd(this.bytes, this.#at) : this.#at + word.length;
    if (end < 0) return this.#expected('a value');
    this.#at = end;
    return true;
  }

  #array(depth: number): boolean {
    const before = this.#isInArray;
    this.#isInArray = true;
    const isWhole = this.#container(depth, ']');
    this.#isInArray = before;
    return isWhole;
  }

  #string(): boolean {
    const { line } = this;
    const open = this.#at;
    for (let at = open + 1; at < line.length; at++) {
      if (line[at] === '"') {
        this.#at = at + 1;
        return true;
      }
      if (line.charCodeAt(at) < 0x20) return this.#fail(at, 'a control character in a text');
      if (line[at] === '\\') {
        const escape = /["\\/bfnrt]|u[0-9a-fA-F]{4}/y;
        escape.lastIndex = at + 1;
        if (!escape.test(line)) return this.#badEscape(open, at);
        at = escape.lastIndex - 1;
      }
    }
    return this.#fail(open, 'no closing quote');
  }

  #badEscape(open: number, at: number): false {
    // The line ends within the escape.
    if (/^(?:u[0-9a-fA-F]{0,3})?$/.test(this.line.slice(at + 1))) return this.#fail(open, 'no closing quote');
    return this.#fail(at, `'${cutBytes(this.line.slice(at, at + 2), 2)}' is not an escape`);
  }
}
