import {
  DuckDBBlobValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBValue,
} from '@duckdb/node-api';

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/**
 * A value as JSON holds it without loss: integers beyond 2^53, NaN and infinities as text, times as ISO 8601 (TIMESTAMPTZ in UTC with `Z`),
 * blobs as base64, lists and structs as arrays and objects, maps as arrays of pairs, all else as DuckDB writes it.
 */
export function jsonValue(value: DuckDBValue): JsonValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'bigint') return isSafe(value) ? Number(value) : String(value);
  if (value instanceof DuckDBTimestampTZValue) return isoTime(value.micros, 'Z', String(value));
  if (value instanceof DuckDBTimestampValue) return isoTime(value.micros, '', String(value));
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('base64');
  if (value instanceof DuckDBDecimalValue) return isSafe(value.value) ? Number(value.toString()) : value.toString();
  if (value instanceof DuckDBListValue) return value.items.map(jsonValue);
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, entry]) => [name, jsonValue(entry)]));
  }
  if (value instanceof DuckDBMapValue)
    return value.entries.map((entry) => [jsonValue(entry.key), jsonValue(entry.value)]);
  return String(value);
}

function isSafe(value: bigint): boolean {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER);
}

/** ISO 8601 with milliseconds, or with microseconds where there are any; `other` for infinities and years beyond a Date. */
function isoTime(micros: bigint, suffix: string, other: string): string {
  const ms = Number(micros / 1000n) - (micros % 1000n < 0n ? 1 : 0);
  if (Math.abs(ms) > 8.64e15) return other;
  const rest = ((micros % 1000n) + 1000n) % 1000n;
  const iso = new Date(ms).toISOString().slice(0, -1);
  return `${iso}${rest === 0n ? '' : String(rest).padStart(3, '0')}${suffix}`;
}
