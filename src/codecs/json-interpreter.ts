import type { FieldType } from '../record/batch.ts';
import { plainAddress } from './address-interpreter.ts';
import { JSON_DEPTH_MAX } from './json-scan.ts';
import type { Cell, LineParser } from './lines.ts';
import type { TimeReader } from './times/reader.ts';

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
/** Strings of a valid JSON text, with the colon where one is a key. */
const STRING = /"((?:[^"\\]|\\[^])*)"(\s*:)?/g;

/** A number as it was written. */
class NumberText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** `JSON.parse` with the source of primitive values (ECMAScript proposal "JSON.parse source text access", in V8 since 11.4). */
type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;
const parseJson = JSON.parse as (text: string, reviver?: Reviver) => unknown;

/**
 * The plain reading of a JSON line, by `JSON.parse`: the oracle of the generated walker. Bytes from 0x80 on stand in the text as
 * characters of a row of Unicode that the line's own escapes do not name, so that they come out as they went in.
 */
export function jsonParser(fields: Readonly<Record<string, FieldType>>, times: TimeReader): LineParser {
  return (bytes, start, end) => {
    const latin1 = bytes.toString('latin1', start, end);
    const row = freeRow(latin1);
    const text = latin1.replace(/[\x80-\xff]/g, (char) => String.fromCharCode(row + char.charCodeAt(0)));
    const object = parseNumbered(text);
    if (object === undefined) return undefined;
    const cells = new Map<string, Cell>();
    const isShallow = visit(
      object,
      '',
      1,
      (path, value) => {
        if (Object.hasOwn(fields, path)) cells.set(path, cellOf(value, fields[path]!, times, row));
      },
      row,
    );
    return isShallow ? cells : undefined;
  };
}

/** The object of a line, or undefined. Its keys get numbers, so that no two are one and their order is that of the text. */
function parseNumbered(text: string): object | undefined {
  try {
    JSON.parse(text);
    let keys = 0;
    const numbered = text.replace(STRING, (string: string, content: string, colon: string | undefined) =>
      colon === undefined ? string : `"${keys++}#${content}"${colon}`,
    );
    const value = parseJson(numbered, (_, primitive, { source }) =>
      typeof primitive === 'number' ? new NumberText(source!) : primitive,
    );
    return isObject(value) && !Array.isArray(value) && !(value instanceof NumberText) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Calls `take` for each value outside arrays, in the order of the text; false where the nesting is too deep. */
function visit(
  container: object,
  prefix: string,
  depth: number,
  take: (path: string, value: unknown) => void,
  row: number,
): boolean {
  if (depth > JSON_DEPTH_MAX) return false;
  const isArray = Array.isArray(container);
  for (const [key, value] of Object.entries(container)) {
    const path = prefix + bytesOfText(key.slice(key.indexOf('#') + 1), row).toString('latin1');
    if (isObject(value) && !(value instanceof NumberText)) {
      const takeInside = isArray || Array.isArray(value) ? (): void => {} : take;
      if (!visit(value, `${path}.`, depth + 1, takeInside, row)) return false;
    }
    if (!isArray) take(Buffer.from(path, 'latin1').toString('utf8'), value);
  }
  return true;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function cellOf(value: unknown, type: FieldType, times: TimeReader, row: number): Cell {
  const text =
    typeof value === 'string'
      ? value
      : value instanceof NumberText
        ? value.text
        : typeof value === 'boolean'
          ? `${value}`
          : null;
  if (text === null) return null;
  const isQuoted = typeof value === 'string';
  switch (type) {
    case 'keyword':
      return bytesOfText(text, row);
    case 'ip':
      return isQuoted ? ipOf(text, row) : null;
    case 'boolean':
      return text === 'true' ? 1 : text === 'false' ? 0 : null;
    case 'date':
      return timeOf(bytesOfText(text, row), isQuoted, typeof value === 'boolean', times);
    case 'long':
      if (Math.abs(numberOf(text)) > Number.MAX_SAFE_INTEGER) return longOf(text);
      return Number.isSafeInteger(numberOf(text)) ? numberOf(text) + 0 : null;
    case 'double':
      return numberOf(text);
  }
}

function ipOf(text: string, row: number): Cell {
  const { host, isIp } = plainAddress(bytesOfText(text, row).toString('latin1'));
  return isIp ? Buffer.from(host, 'latin1') : null;
}

function numberOf(text: string): number {
  return NUMBER.test(text) ? Number(text) : Number.NaN;
}

/** By the arithmetic of large integers alone: digits × 10^exponent, of at most 20 digits before the point. */
function longOf(text: string): Cell {
  const rounded = numberOf(text);
  if (Math.abs(rounded) > 2 ** 65) return rounded > 0 ? Infinity : -Infinity;
  const [, sign, whole, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d*))?(?:[eE](.*))?$/.exec(text)!;
  const power = Number(exponent) - fraction.length;
  const digits = BigInt(whole! + fraction);
  const scale = 10n ** BigInt(Math.abs(power));
  if (power < 0 && digits % scale !== 0n) return null;
  const magnitude = power < 0 ? digits / scale : digits * scale;
  const exact = sign === '-' ? -magnitude : magnitude;
  if (exact !== BigInt.asIntN(64, exact)) return exact > 0n ? Infinity : -Infinity;
  return exact;
}

function timeOf(bytes: Buffer, isQuoted: boolean, isBoolean: boolean, times: TimeReader): number | null {
  if (isBoolean) return null;
  const byText = isQuoted ? times.text(bytes, 0, bytes.length) : Number.NaN;
  const takesNumber = !isQuoted || times.takesQuotedNumbers;
  const isWritten = Number.isNaN(byText) && takesNumber && NUMBER.test(bytes.toString('latin1'));
  const timeMs = isWritten ? times.number(bytes, 0, bytes.length) : byText;
  return Number.isNaN(timeMs) ? null : timeMs;
}

/** The first character of a row of 256 that no escape in the text names; at most one escape in six characters names one. */
function freeRow(text: string): number {
  const named = new Set([...text.matchAll(/\\u([0-9a-f]{2})/gi)].map((match) => Number.parseInt(match[1]!, 16)));
  for (let row = 0xe0; row <= 0xff; row++) if (!named.has(row)) return row << 8;
  for (let row = 0x01; row < 0xd8; row++) if (!named.has(row)) return row << 8;
  return 0xe000;
}

/** Text as bytes: what stands for a byte becomes that byte, the rest UTF-8, a lone surrogate as any code point (WTF-8). */
function bytesOfText(text: string, row: number): Buffer {
  if (!/[\u0080-\uffff]/.test(text)) return Buffer.from(text, 'latin1');
  const bytes: number[] = [];
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (code >= row + 0x80 && code <= row + 0xff) bytes.push(code - row);
    else if (code < 0xd800 || code > 0xdfff) bytes.push(...Buffer.from(char));
    else bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
  }
  return Buffer.from(bytes);
}
