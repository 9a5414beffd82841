/**
 * Whole numbers beyond 2^53 in two doubles: `value + rest`, where `value` is the nearest double and `rest` what it lacks of the number. A
 * `long` of 64 bits lacks at most 2^9.
 */

const LONG_MAX = 2n ** 63n - 1n;
const LONG_MIN = -(2n ** 63n);

/** The number as JavaScript has it best: a `number` while that is exact. Infinities and NaN stay what they are. */
export function exactInteger(value: number, rest: number): number | bigint {
  if (Number.isSafeInteger(value) || !Number.isInteger(value)) return value;
  return safe(BigInt(value) + BigInt(rest));
}

/** A `number` where that is exact. */
export function safe(exact: bigint): number | bigint {
  const rounded = Number(exact);
  return Number.isSafeInteger(rounded) ? rounded : exact;
}

export function restOf(exact: bigint): number {
  return Number(exact - BigInt(Number(exact)));
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/**
 * The number of a JSON text whose nearest double lies beyond 2^53: exact within 64 bits, ±Infinity outside of them, NaN where it is not a whole
 * number. Takes time in proportion to the text, whatever its exponent.
 */
export function parseLong(text: string): number | bigint {
  const rounded = Number(text);
  if (!(Math.abs(rounded) < 2 ** 64)) return rounded * Infinity;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = NUMBER.exec(text) ?? [];
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  if (/[1-9]/.test(digits.slice(point))) return Number.NaN;
  const magnitude = BigInt(digits.slice(0, point).padEnd(point, '0').replace(/^0+/, ''));
  const exact = sign === '-' ? -magnitude : magnitude;
  if (exact > LONG_MAX) return Infinity;
  return exact < LONG_MIN ? -Infinity : exact;
}

/** "JSON.parse source text access" (ECMAScript proposal, in V8 since 11.4). */
const SOURCE_ACCESS = JSON as unknown as {
  rawJSON(text: string): unknown;
  parse(text: string, revive: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown;
};

/** What `JSON.stringify` writes as all the digits of the number. */
export function exactJson(value: number | bigint | null): unknown {
  return typeof value === 'bigint' ? SOURCE_ACCESS.rawJSON(String(value)) : value;
}

/** `JSON.parse` whose result is written again with every digit of the whole numbers it does not know. */
export function parseExactJson(text: string): unknown {
  return SOURCE_ACCESS.parse(text, (_, value, { source }) =>
    typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER ? SOURCE_ACCESS.rawJSON(source!) : value,
  );
}
