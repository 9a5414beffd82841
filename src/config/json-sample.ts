import { isIP } from 'node:net';
import type { FieldType } from '../record/batch.ts';

/** So many fields of a sample are declared: more than a person would look at. */
const FIELDS_MAX = 64;
const DEPTH_MAX = 6;
/** A key of a rollup has few values; more than this many make a table of its own. */
const KEY_VALUES_MAX = 20;

const ISO_TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d/;
/** Names under which loggers write the time, best first. */
const TIME_NAMES = ['@timestamp', 'timestamp', 'time', 'ts', 'datetime', 'date', 'eventTime', 'event_time'];
/** Names of fields people want to count by, best first; matched at the end of a dotted name. */
const KEY_NAMES = ['level', 'severity', 'status', 'status_code', 'method', 'service', 'name', 'type', 'event', 'host'];

export interface JsonSample {
  readonly fields: Readonly<Record<string, FieldType>>;
  readonly timeFormat: 'iso' | 'epoch_s' | 'epoch_ms';
  /** Undefined where no field looks like a time. */
  readonly timeField: string | undefined;
  /** At most two fields with few values. */
  readonly keys: readonly string[];
}

/** What the lines of a JSON log have: a guess, good enough to begin with. */
export function describeJsonSample(lines: readonly Uint8Array[]): JsonSample {
  const values = collect(lines);
  const time = findTime(values);
  const fields: Record<string, FieldType> = {};
  for (const [name, seen] of [...values].slice(0, FIELDS_MAX)) {
    const type = typeOf(seen);
    // One form of time is read per stream; other times stay text.
    fields[name] = name === time?.field ? 'date' : type === 'date' && time?.format !== 'iso' ? 'keyword' : type;
  }
  const isKey = ([name, seen]: readonly [string, readonly unknown[]]): boolean => {
    const type = fields[name];
    const distinct = new Set(seen).size;
    return (
      (type === 'keyword' || type === 'boolean' || (type === 'long' && rankOf(name, KEY_NAMES) < KEY_NAMES.length)) &&
      distinct <= KEY_VALUES_MAX &&
      distinct * 2 <= Math.max(2, seen.length) &&
      seen.length * 2 >= lines.length
    );
  };
  const keys = [...values]
    .filter(isKey)
    .map(([name]) => name)
    .toSorted((left, right) => rankOf(left, KEY_NAMES) - rankOf(right, KEY_NAMES))
    .slice(0, 2);
  return { fields, timeFormat: time?.format ?? 'iso', timeField: time?.field, keys };
}

/** The scalars of all lines, by dotted name, in the order they first come. */
function collect(lines: readonly Uint8Array[]): Map<string, unknown[]> {
  const values = new Map<string, unknown[]>();
  const add = (value: unknown, name: string, depth: number): void => {
    if (value === null || Array.isArray(value)) return;
    if (typeof value === 'object') {
      if (depth >= DEPTH_MAX) return;
      for (const [key, item] of Object.entries(value)) add(item, name === '' ? key : `${name}.${key}`, depth + 1);
    } else if (name !== '') {
      const seen = values.get(name);
      if (seen === undefined) values.set(name, [value]);
      else seen.push(value);
    }
  };
  for (const line of lines) {
    try {
      add(JSON.parse(new TextDecoder().decode(line)), '', 0);
    } catch {
      // A line that is no JSON will be a dead letter; it says nothing of the others.
    }
  }
  return values;
}

function typeOf(seen: readonly unknown[]): FieldType {
  if (seen.every((value) => typeof value === 'boolean')) return 'boolean';
  if (seen.every((value) => Number.isSafeInteger(value))) return 'long';
  if (seen.every((value) => typeof value === 'number')) return 'double';
  if (seen.every((value) => typeof value === 'string' && isIP(value) !== 0)) return 'ip';
  if (seen.every((value) => typeof value === 'string' && ISO_TIME.test(value))) return 'date';
  return 'keyword';
}

function findTime(
  values: ReadonlyMap<string, readonly unknown[]>,
): { readonly field: string; readonly format: JsonSample['timeFormat'] } | undefined {
  const named = [...values.keys()].toSorted((left, right) => rankOf(left, TIME_NAMES) - rankOf(right, TIME_NAMES));
  for (const field of named) {
    const seen = values.get(field) ?? [];
    if (typeOf(seen) === 'date') return { field, format: 'iso' };
    if (rankOf(field, TIME_NAMES) === TIME_NAMES.length) continue;
    // Seconds since 1970 have ten digits from 2001 to 2286, milliseconds thirteen.
    const between = (min: number, max: number): boolean =>
      seen.every((value) => typeof value === 'number' && value >= min && value < max);
    if (between(1e9, 1e10)) return { field, format: 'epoch_s' };
    if (between(1e12, 1e13)) return { field, format: 'epoch_ms' };
  }
  return undefined;
}

/** Place of a name, or of its last part, in a list of known ones; the list's length when it is not there. */
function rankOf(name: string, known: readonly string[]): number {
  const last = name.slice(name.lastIndexOf('.') + 1);
  const place = known.findIndex((one) => one === name || one === last);
  return place === -1 ? known.length : place;
}
