import { isIP } from 'node:net';
import type { BlockLines } from '../codecs/codec.ts';
import { json } from '../codecs/json.ts';
import { escapeText } from '../lib/escape.ts';
import { Batch, type FieldType, VERDICT_MALFORMED } from '../record/batch.ts';
import { columnOf } from './config.ts';
import { TableColumns } from './rollup-columns.ts';

/** So many fields of a sample are declared: more than a person would look at. */
const FIELDS_MAX = 64;
/** Of so many names is found out what they are; a log whose keys are data has no end of them. */
const NAMES_MAX = 2000;
const DEPTH_MAX = 6;
/** The codec takes no longer names. */
const NAME_LENGTH_MAX = 256;
/** A key of a rollup has few values; more than this many make a table of its own. */
const KEY_VALUES_MAX = 20;
const KEYS_MAX = 2;
/** The time of a log stands in this share of its lines at least. */
const TIME_SHARE = 0.5;
/** So many characters of a name are shown. */
const SHOWN_MAX = 40;

/** Names under which loggers write the time, in small letters, best first. */
const TIME_NAMES = [
  '@timestamp',
  'timestamp',
  'time',
  'ts',
  'datetime',
  'date',
  'eventtime',
  'event_time',
  'time_iso8601',
  'time_local',
  'msec',
  'timemillis',
  'asctime',
  '_time',
  'timestamp_ms',
  'created_at',
  'createdat',
  'logged_at',
  'unixtime',
  'unix_time',
  'epoch',
  '__realtime_timestamp',
  't',
];
/** Names of fields people want to count by, best first; matched at the end of a dotted name. */
const KEY_NAMES = ['level', 'severity', 'status', 'status_code', 'method', 'service', 'name', 'type', 'event', 'host'];

/** A key as a configuration writes it. */
type KeyEntry = string | { readonly field: string; readonly as: string };

export interface JsonSample {
  readonly fields: Readonly<Record<string, FieldType>>;
  /** Undefined where no field looks like a time. */
  readonly timeField: string | undefined;
  /** At most two fields with few values. */
  readonly keys: readonly KeyEntry[];
  /** What a person should know of it. */
  readonly notes: readonly string[];
}

/** What the lines of a JSON log have: a guess, good enough to begin with, that the decoder itself has confirmed. */
export function describeJsonSample(block: BlockLines): JsonSample {
  const { values, notes } = usableNames(collect(block));
  const { timeField, datesAt } = findTimes(block, values);
  const typed = new Map(
    [...values].map(([name, seen]) => [name, name === timeField || datesAt.has(name) ? 'date' : typeOf(seen)] as const),
  );
  const candidates = [...values].filter(([name, seen]) => isKey(name, seen, typed.get(name)!, block.lines));
  const keyFields = candidates
    .map(([name]) => name)
    .toSorted((left, right) => rankOf(left, KEY_NAMES) - rankOf(right, KEY_NAMES))
    .slice(0, KEYS_MAX);
  const named = nameKeys(keyFields);
  // What is used is declared, whatever place it has in the lines.
  const first = new Set([...(timeField === undefined ? [] : [timeField]), ...keyFields]);
  const rest = [...typed.keys()].filter((name) => !first.has(name));
  const room = FIELDS_MAX - first.size;
  if (rest.length > room)
    notes.push(`of ${typed.size} fields ${FIELDS_MAX} can be used; left out: ${listed(rest.slice(room))}`);
  const declared = new Set([...first, ...rest.slice(0, room)]);
  const fields = Object.fromEntries([...typed].filter(([name]) => declared.has(name)));
  return { fields, timeField, keys: named.keys, notes: [...named.notes, ...notes] };
}

function isKey(name: string, seen: readonly unknown[], type: FieldType, lines: number): boolean {
  const distinct = new Set(seen).size;
  const isOfFew = type === 'keyword' || type === 'boolean';
  const isKnown = type === 'long' && rankOf(name, KEY_NAMES) < KEY_NAMES.length;
  return (
    (isOfFew || isKnown) &&
    distinct <= KEY_VALUES_MAX &&
    distinct * 2 <= Math.max(2, seen.length) &&
    seen.length * 2 >= lines
  );
}

/** Keys whose column is taken, or whose name SQL would not take unquoted, get another one. */
function nameKeys(fields: readonly string[]): { readonly keys: KeyEntry[]; readonly notes: string[] } {
  const columns = new TableColumns();
  columns.take('events', 'the measure events');
  const notes: string[] = [];
  const keys = fields.map((field) => {
    const column = columnOf(field);
    const owner = columns.ownerOf(column);
    if (owner === undefined && /^[A-Za-z_]*[A-Za-z][A-Za-z0-9_]*$/.test(column) && column.length <= 63) {
      columns.take(column, `the key ${shown(field)}`);
      return field;
    }
    const as = columns.freeName(field);
    columns.take(as, `the key ${shown(field)}`);
    const why = owner === undefined ? 'its own name is none of SQL' : `${escapeText(column)} is ${owner}`;
    notes.push(`the column of the key ${shown(field)} is ${as}: ${why}`);
    return { field, as };
  });
  return { keys, notes };
}

type Values = ReadonlyMap<string, readonly unknown[]>;

/** Without the names that no configuration can have. */
function usableNames(values: Values): { readonly values: Values; readonly notes: string[] } {
  const isUsable = (name: string): boolean => name !== '' && name.length <= NAME_LENGTH_MAX && name !== '__proto__';
  const unusable = [...values.keys()].filter((name) => !isUsable(name));
  const usable = new Map([...values].filter(([name]) => isUsable(name)));
  if (unusable.length === 0) return { values: usable, notes: [] };
  return { values: usable, notes: [`no field can have the name of ${listed(unusable)}: not read`] };
}

function listed(names: readonly string[]): string {
  const some = names.slice(0, 3).map(shown).join(', ');
  return names.length > 3 ? `${some} and ${names.length - 3} more` : some;
}

function shown(name: string): string {
  if (name === '') return '""';
  return escapeText(name.length > SHOWN_MAX ? `${name.slice(0, SHOWN_MAX)}…` : name);
}

/** The scalars of all lines, by dotted name, in the order they first come. */
function collect(block: BlockLines): Values {
  const values = new Map<string, unknown[]>();
  const add = (value: unknown, name: string | undefined, depth: number): void => {
    if (value === null || Array.isArray(value)) return;
    if (typeof value === 'object') {
      if (depth >= DEPTH_MAX) return;
      for (const [key, item] of Object.entries(value))
        add(item, name === undefined ? key : `${name}.${key}`, depth + 1);
    } else if (name !== undefined) {
      const seen = values.get(name);
      if (seen !== undefined) seen.push(value);
      else if (values.size < NAMES_MAX) values.set(name, [value]);
    }
  };
  for (const line of Buffer.from(block.bytes).toString('utf8').split('\n')) {
    try {
      add(JSON.parse(line), undefined, 0);
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
  return 'keyword';
}

/** The event time, and every other field whose texts are all times: what the decoder can read, and nothing else. */
function findTimes(
  block: BlockLines,
  values: Values,
): { readonly timeField: string | undefined; readonly datesAt: ReadonlySet<string> } {
  const isKnown = (name: string): boolean => rankOf(name, TIME_NAMES) < TIME_NAMES.length;
  const isText = (seen: readonly unknown[]): boolean =>
    seen.every((value) => typeof value === 'string' && !isNumberText(value));
  const names = [...values].filter(([name, seen]) => isKnown(name) || isText(seen)).map(([name]) => name);
  const { read, records } = countTimes(block, names);
  const isWhole = (name: string): boolean => read.get(name) === values.get(name)!.length;
  const timeField = names
    .filter((name) => read.get(name)! > 0 && read.get(name)! >= records * TIME_SHARE)
    .filter((name) => isKnown(name) || isWhole(name))
    .toSorted((left, right) => rankOf(left, TIME_NAMES) - rankOf(right, TIME_NAMES))[0];
  return { timeField, datesAt: new Set(names.filter((name) => isText(values.get(name)!) && isWhole(name))) };
}

function isNumberText(text: string): boolean {
  return text.trim() !== '' && !Number.isNaN(Number(text));
}

/** How many values of each field the decoder reads as times, and how many lines are records at all. */
function countTimes(
  block: BlockLines,
  names: readonly string[],
): { readonly read: ReadonlyMap<string, number>; readonly records: number } {
  const fields = names.map((name) => ({ name, type: 'date' as const }));
  const types = Object.fromEntries(names.map((name) => [name, 'date' as const]));
  const batch = new Batch(
    fields.map(({ type }) => type),
    block.lines,
  );
  json.interpret({ ...json.probe, fields: types }, { fields })(block, batch);
  const rows = [...batch.verdict.subarray(0, batch.length).keys()].filter(
    (row) => batch.verdict[row] !== VERDICT_MALFORMED,
  );
  const read = names.map((name, i) => {
    const column = batch.columns[i]!;
    return [name, rows.filter((row) => column.kind === 'number' && !Number.isNaN(column.values[row])).length] as const;
  });
  return { read: new Map(read), records: rows.length };
}

/** Place of a name, or of its last part, in a list of known ones; the list's length when it is not there. */
function rankOf(name: string, known: readonly string[]): number {
  const whole = name.toLowerCase();
  const last = whole.slice(whole.lastIndexOf('.') + 1);
  const place = known.findIndex((one) => one === whole || one === last);
  return place === -1 ? known.length : place;
}
