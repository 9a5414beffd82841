import { type Batch, type StringColumn, isStringType } from '../record/batch.ts';
import type { DecodeRequest } from './codec.ts';
import type { GeneratedParts } from './generated-decoder.ts';
import { storeIp } from './lines.ts';
import { JSON_DEPTH_MAX, afterBlanks, stringEnd, valueEnd } from './json-scan.ts';
import { numberOfValue, storeLong, timeOfValue, unescapeToScratch, unescaped } from './json-values.ts';
import type { TimeReader } from './times/reader.ts';

/** What a key leads to: a field that is looked for, an object with fields inside, or both. */
interface KeyTarget {
  /** The whole name of the field. */
  field?: string;
  /** The prefix of the object's node. */
  inside?: string;
}

/** Keys, as latin1 text of their bytes, to what they lead to. */
type ObjectNode = ReadonlyMap<string, KeyTarget>;

/** What is generated for JSON lines: a function for each object in which a field may be found that is looked for. */
export function jsonParts(times: TimeReader, request: DecodeRequest): GeneratedParts {
  const { eventTimeField } = request;
  const wanted = [...request.fields.map(({ name }) => name), ...(eventTimeField === undefined ? [] : [eventTimeField])];
  const nodes = nodesOf(wanted.map(latin1Of));
  const numbers = new Map([...nodes.keys()].map((prefix, i) => [prefix, i]));
  const nulls = request.fields.map(({ type }, i) =>
    isStringType(type) ? `batch.decoded[${i}].length[row] = -1;` : `batch.decoded[${i}].values[row] = NaN;`,
  );
  const hasEventTime = eventTimeField !== undefined;
  return {
    tools: {
      afterBlanks,
      stringEnd,
      valueEnd,
      escapedKey,
      storeText,
      numberOfValue,
      storeLong,
      timeOfValue,
      times,
      names: [...nodes.values()].map((node) => [...node.keys()].map((key) => Buffer.from(key, 'latin1'))),
    },
    functions: [...nodes.values()].map((node, i) => objectSource(node, i, numbers, request)).join('\n'),
    prepare: '',
    line: `${nulls.join(' ')} ${hasEventTime ? 'eventTimeMs[row] = NaN;' : ''}
      at = afterBlanks(bytes, at);
      if (bytes[at] !== 123) break line;
      at = object0(bytes, view, batch, row, at + 1, limit, 1);
      if (at < 0) break line;
      at = afterBlanks(bytes, at);
      ${hasEventTime ? 'timeMs = eventTimeMs[row];' : ''}`,
  };
}

function latin1Of(name: string): string {
  return Buffer.from(name, 'utf8').toString('latin1');
}

/**
 * The objects in which fields may be found, by the prefix that the keys on the way there make. Dots may be part of keys, so
 * `a.b.c` is looked for in the root as `a`, `a.b` and `a.b.c`, in what `a` leads to as `b` and `b.c`, and so on. The root is first.
 */
function nodesOf(fields: readonly string[]): Map<string, ObjectNode> {
  const nodes = new Map<string, ObjectNode>();
  const waiting = [''];
  for (const prefix of waiting) {
    if (nodes.has(prefix)) continue;
    const keys = new Map<string, KeyTarget>();
    const targetOf = (key: string): KeyTarget => keys.get(key) ?? keys.set(key, {}).get(key)!;
    for (const field of fields) {
      if (!field.startsWith(prefix)) continue;
      targetOf(field.slice(prefix.length)).field = field;
      for (let dot = field.indexOf('.', prefix.length); dot >= 0; dot = field.indexOf('.', dot + 1)) {
        const inside = field.slice(0, dot + 1);
        targetOf(field.slice(prefix.length, dot)).inside = inside;
        waiting.push(inside);
      }
    }
    nodes.set(prefix, keys);
  }
  return nodes;
}

/** A function that walks one object, stores the fields in it, and gives the place after its end, or −1 where it is malformed. */
function objectSource(
  node: ObjectNode,
  number: number,
  numbers: ReadonlyMap<string, number>,
  request: DecodeRequest,
): string {
  const cases = [...node.values()].map(
    (target, i) => `case ${i}: ${valueSource(target, numbers.get(target.inside ?? ''), request)}`,
  );
  return `function object${number}(bytes, view, batch, row, from, limit, depth) {
  let at = afterBlanks(bytes, from);
  if (bytes[at] === 125) return at + 1;
  for (;;) {
    if (bytes[at] !== 34) return -1;
    const name = at + 1;
    let end = stringEnd(view, bytes, name, limit), key = -1;
    if (end === -1) return -1;
    if (end < 0) {
      end = -2 - end;
      key = escapedKey(bytes, name, end, names[${number}]);
    } else ${keySource([...node.keys()])}
    at = afterBlanks(bytes, end + 1);
    if (bytes[at] !== 58) return -1;
    at = afterBlanks(bytes, at + 1);
    switch (key) {
      ${cases.join('\n      ')}
      default: at = valueEnd(view, bytes, at, limit, depth);
    }
    if (at < 0) return -1;
    at = afterBlanks(bytes, at);
    if (bytes[at] === 125) return at + 1;
    if (bytes[at] !== 44) return -1;
    at = afterBlanks(bytes, at + 1);
  }
}`;
}

/** Sets `key` to the number of the key in [name, end): by its length, then four bytes at a time. */
function keySource(keys: readonly string[]): string {
  const lengths = [...new Set(keys.map((key) => key.length))];
  const cases = lengths.map((length) => {
    const tests = keys.flatMap((key, i) => (key.length === length ? [`if (${keyTest(key)}) key = ${i};`] : []));
    return `case ${length}: ${tests.join(' else ')} break;`;
  });
  return `switch (end - name) { ${cases.join(' ')} }`;
}

function keyTest(key: string): string {
  const bytes = Buffer.from(key, 'latin1');
  if (bytes.length === 0) return 'true';
  if (bytes.length < 4) return [...bytes].map((byte, i) => `bytes[name + ${i}] === ${byte}`).join(' && ');
  const starts = Array.from({ length: Math.ceil(bytes.length / 4) }, (_, i) => Math.min(i * 4, bytes.length - 4));
  return starts.map((start) => `view.getInt32(name + ${start}, true) === ${bytes.readInt32LE(start)}`).join(' && ');
}

/** Moves `at` past the value there and stores it. */
function valueSource({ field, inside }: KeyTarget, insideNumber: number | undefined, request: DecodeRequest): string {
  const walkInside =
    inside === undefined
      ? ''
      : `if (bytes[at] === 123) at = depth < ${JSON_DEPTH_MAX} ? object${insideNumber}(bytes, view, batch, row, at + 1, limit, depth + 1) : -1; else `;
  if (field === undefined) return `${walkInside}at = valueEnd(view, bytes, at, limit, depth); break;`;
  return `{
        const value = at;
        let isEscaped = false;
        if (bytes[at] === 34) {
          at = stringEnd(view, bytes, at + 1, limit);
          if (at === -1) return -1;
          isEscaped = at < 0;
          at = isEscaped ? -1 - at : at + 1;
        } else ${walkInside}at = valueEnd(view, bytes, at, limit, depth);
        if (at < 0) return -1;
        ${storeSource(field, request)}
        break;
      }`;
}

const TIME = 'timeOfValue(bytes, value, at, isEscaped, times)';

function storeSource(field: string, request: DecodeRequest): string {
  const stores = request.fields.map(({ name, type }, i) => {
    if (latin1Of(name) !== field) return '';
    if (type === 'long') {
      // Inline while the number is exact, and so are all before it.
      return `{ const number = numberOfValue(bytes, value, at, isEscaped, 'long'), column = batch.decoded[${i}];
        if (number > ${Number.MAX_SAFE_INTEGER} || number < ${Number.MIN_SAFE_INTEGER} || column.rest !== undefined) storeLong(column, row, number, bytes, value, at);
        else column.values[row] = number; }`;
    }
    if (isStringType(type))
      return `storeText(batch, batch.decoded[${i}], row, bytes, value, at, isEscaped, ${type === 'ip'});`;
    const number = type === 'date' ? TIME : `numberOfValue(bytes, value, at, isEscaped, ${JSON.stringify(type)})`;
    return `batch.decoded[${i}].values[row] = ${number};`;
  });
  if (request.eventTimeField !== undefined && latin1Of(request.eventTimeField) === field) {
    stores.push(`batch.eventTimeMs[row] = ${TIME};`);
  }
  return stores.join(' ');
}

/** The number of the key that is written with escapes in [start, end), −1 if it is none of `names`. */
function escapedKey(bytes: Buffer, start: number, end: number, names: readonly Buffer[]): number {
  const key = unescaped(bytes, start, end);
  return names.findIndex((name) => name.equals(key));
}

/** Stores the value in [start, end): a string's text, a number or boolean as it is written; anything else is NULL. */
function storeText(
  batch: Batch,
  column: StringColumn,
  row: number,
  bytes: Buffer,
  start: number,
  end: number,
  isEscaped: boolean,
  isIp: boolean,
): void {
  const first = bytes[start]!;
  if (first !== 0x22) {
    const isScalar = first !== 0x7b && first !== 0x5b && first !== 0x6e;
    column.start[row] = start;
    column.length[row] = isScalar && !isIp ? end - start : -1;
  } else if (!isEscaped) {
    column.start[row] = start + 1;
    column.length[row] = end - start - 2;
    if (isIp) storeIp(batch, column, row);
  } else {
    const at = batch.scratchLength;
    const length = unescapeToScratch(batch, bytes, start + 1, end - 1);
    column.start[row] = -1 - at;
    column.length[row] = length;
    if (isIp) storeIp(batch, column, row);
  }
}
