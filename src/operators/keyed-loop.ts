import type { AggregateDefinition } from '../aggregates/aggregate.ts';
import type { SketchRows } from '../aggregates/sketch.ts';
import { nameOfTree } from '../expressions/made-columns.ts';
import { assert, present } from '../lib/assert.ts';
import { type Batch, type FieldType, isStringType } from '../record/batch.ts';
import type { OperatorContext } from './operator.ts';

/** Sums that the generated loops leave behind for their operator. */
export interface RolledUp {
  lines: number;
  a: number;
  b: number;
}

/** The part of an operator that every loop sees. */
export interface KeyedHost {
  /** Lines that went into rows. */
  readonly rolledUp: RolledUp;
  /** Those for which the condition is not true. */
  readonly dropped: RolledUp;
}

export interface KeyedSpec {
  /** Batch column of each key. */
  readonly keys: readonly { readonly column: number; readonly kind: 'string' | 'number' }[];
  readonly measures: readonly {
    readonly aggregate: AggregateDefinition;
    readonly fieldType: FieldType | undefined;
    /** Batch column of the argument. */
    readonly column: number | undefined;
  }[];
  /** Batch column of the condition; undefined where every line is taken. */
  readonly where?: number | undefined;
}

/** Where the keys and the arguments of a rollup's measures are in the batch. */
export function keyedSpecOf({ name, spec, fields, aggregates }: OperatorContext): KeyedSpec {
  const column = (field: string): number => {
    const index = fields.findIndex((candidate) => candidate.name === field);
    assert(index >= 0, `rollup ${name}: field ${field} is not projected`);
    return index;
  };
  return {
    keys: spec.by.map(({ field, type }) => ({ column: column(field), kind: isStringType(type) ? 'string' : 'number' })),
    // What shares the sketch of another measure keeps nothing itself.
    measures: spec.measures
      .filter(({ sketchOf }) => sketchOf === undefined)
      .map(({ aggregate, field, fieldType }) => ({
        aggregate: present(aggregates[aggregate], `no aggregate ${aggregate}`),
        fieldType,
        column: field === undefined ? undefined : column(field),
      })),
    where: spec.where === undefined ? undefined : column(nameOfTree(spec.where.tree)),
  };
}

/** What the accumulators of a row begin with, measure by measure. */
export function initialOf({ measures }: KeyedSpec): number[] {
  return measures.flatMap(({ aggregate, fieldType }) =>
    aggregate.accumulators(fieldType).map(({ initial }) => initial),
  );
}

/** Empty sketches for a table, in the order of the measures that keep one. */
export function sketchesOf({ measures }: KeyedSpec): SketchRows[] {
  return measures.flatMap(({ aggregate, fieldType }) =>
    aggregate.sketch === undefined ? [] : aggregate.sketch.rows(present(fieldType, `${aggregate.name} is of a field`)),
  );
}

/** Pieces of a generated loop over the lines of a batch. `table` is the window table in question, `i` the line, `h` the hash of its key. */
export interface KeyedText {
  /** The batch's columns, before the loop. */
  readonly columns: string;
  /** Goes on with the next line where the condition is not true: before anything else is asked of the line. */
  readonly where: string;
  /** Declares what `takeTable` sets. */
  readonly locals: string;
  /** Reads the table's arrays: after every call that may have replaced one of them. */
  readonly takeTable: string;
  /** Declares and makes `h`. */
  readonly hash: string;
  /** Declares `row`: that of the key, or a negative number. */
  readonly probe: string;
  /** Counts the line in `row`. */
  readonly count: string;
  /** Takes the line's values into the accumulators and sketches of `row`; `t` is its event time. */
  readonly measures: string;
}

/**
 * What loops over keyed rows have in common: hash and probe of the key, the accumulators, with no call and no allocation but for sketches. The text is
 * made of numbers and of the aggregates' own text, never of names or values from a configuration. With `hasLarge` it is for batches with whole
 * numbers beyond 2^53, which are rare and a little slower: the other text leaves out their second lane.
 */
export function keyedText(spec: KeyedSpec, hasLarge: boolean): KeyedText {
  const columns = new Set([
    ...spec.keys.map((key) => key.column),
    ...spec.measures.flatMap((m) => m.column ?? []),
    ...(spec.where === undefined ? [] : [spec.where]),
  ]);
  const stringColumns = new Set([
    ...spec.keys.filter((key) => key.kind === 'string').map((key) => key.column),
    ...spec.measures.flatMap((m) => (m.column !== undefined && isText(m) ? m.column : [])),
  ]);
  const accumulators = spec.measures.flatMap((m) => m.aggregate.accumulators(m.fieldType));
  const sketches = spec.measures.filter((m) => m.aggregate.sketch !== undefined).map((_, s) => `s${s}`);
  const marked = sketches.map((sketch) => `table.markedBytes += ${sketch}.sizeOf(row);`).join(' ');
  return {
    columns: [...columns]
      .map((c) =>
        stringColumns.has(c)
          ? `const cs${c} = batch.columns[${c}].start, cl${c} = batch.columns[${c}].length;`
          : numbersText(c, hasLarge),
      )
      .join('\n'),
    where:
      spec.where === undefined
        ? ''
        : `if (cv${spec.where}[i] !== 1) { dropped++; droppedA = (droppedA + hashA[i]) | 0; droppedB = (droppedB + hashB[i]) | 0; continue; }`,
    locals: [
      'slots, mask = 0, hashes, lines, sumA, sumB, isChanged, changed, arena, arenaView',
      ...spec.keys.map((key, k) => (key.kind === 'string' ? `ks${k}, kl${k}` : hasLarge ? `kv${k}, kr${k}` : `kv${k}`)),
      ...accumulators.map((_, i) => `a${i}`),
      ...sketches,
    ].join(', '),
    takeTable: [
      'slots = table.slots; mask = slots.length - 1; hashes = table.hashes; lines = table.lines; sumA = table.sumA; sumB = table.sumB;',
      'isChanged = table.isChanged; changed = table.changed; arena = table.arena; arenaView = table.arenaView;',
      ...spec.keys.map((key, k) =>
        key.kind === 'string'
          ? `ks${k} = table.keys[${k}].start; kl${k} = table.keys[${k}].length;`
          : `kv${k} = table.keys[${k}].values;${hasLarge ? ` kr${k} = table.keys[${k}].rest;` : ''}`,
      ),
      ...accumulators.map((_, i) => `a${i} = table.accumulators[${i}];`),
      ...sketches.map((sketch, i) => `${sketch} = table.sketches[${i}];`),
    ].join('\n'),
    hash: `let h = 0;
  ${spec.keys.map((key, k) => hashText(key, k, hasLarge)).join('\n  ')}
  h ^= h >>> 15;`,
    probe: `let slot = h & mask, row = slots[slot];
  while (row >= 0) {
    if (hashes[row] === h) { ${spec.keys.map((key, k) => equalText(key, k, hasLarge)).join(' ')} break; }
    slot = (slot + 1) & mask; row = slots[slot];
  }`,
    count: `lines[row] += 1; sumA[row] += hashA[i]; sumB[row] += hashB[i];
  rolled++; rolledA = (rolledA + hashA[i]) | 0; rolledB = (rolledB + hashB[i]) | 0;
  if (isChanged[row] === 0) { isChanged[row] = 1; changed[table.changedCount++] = row; ${marked} }`,
    measures: measuresText(spec, hasLarge),
  };
}

/** The batch, and what the loop counts. */
export const LOOP_BEGIN = `'use strict';
const batch = admitted.batch, bytes = batch.bytes, scratch = batch.scratch;
const bytesView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const scratchView = new DataView(scratch.buffer, scratch.byteOffset, scratch.byteLength);
const n = batch.length, verdict = batch.verdict, time = batch.eventTimeMs;
const before = admitted.watermarkBeforeMs, hashA = admitted.hashA, hashB = admitted.hashB;
let rolled = 0, rolledA = 0, rolledB = 0, dropped = 0, droppedA = 0, droppedB = 0;`;

export const LOOP_END = `host.rolledUp.lines = rolled; host.rolledUp.a = rolledA >>> 0; host.rolledUp.b = rolledB >>> 0;
host.dropped.lines = dropped; host.dropped.a = droppedA >>> 0; host.dropped.b = droppedB >>> 0;`;

/** Adds a key column to the hash; the same arithmetic as `hashKey` in key-cells.ts. */
function hashText(key: KeyedSpec['keys'][number], k: number, hasLarge: boolean): string {
  const c = key.column;
  if (key.kind === 'number') {
    const rest = hasLarge ? ` ^ Math.imul(${restText(c)}, 0x9e3779b1)` : '';
    return `h = Math.imul(h ^ (cv${c}[i] | 0)${rest}, 0x85ebca6b);`;
  }
  return `const len${k} = cl${c}[i], isOwn${k} = cs${c}[i] >= 0, at${k} = isOwn${k} ? cs${c}[i] : -1 - cs${c}[i];
  const src${k} = isOwn${k} ? bytes : scratch, view${k} = isOwn${k} ? bytesView : scratchView;
  h = Math.imul(h ^ (len${k} + 1), 0x9e3779b1);
  let p${k} = at${k};
  for (const e = at${k} + len${k} - 3; p${k} < e; p${k} += 4) { h = Math.imul(h ^ view${k}.getInt32(p${k}, true), 0x85ebca6b); h ^= h >>> 15; }
  for (const e = at${k} + len${k}; p${k} < e; p${k}++) h = Math.imul(h ^ src${k}[p${k}], 0x01000193);`;
}

/** Goes on probing where this key column of the row differs from the line's. */
function equalText(key: KeyedSpec['keys'][number], k: number, hasLarge: boolean): string {
  const next = '{ slot = (slot + 1) & mask; row = slots[slot]; continue; }';
  if (key.kind === 'number') {
    const value = `cv${key.column}[i]`;
    const rest = hasLarge ? ` || (kr${k} === undefined ? 0 : kr${k}[row]) !== ${restText(key.column)}` : '';
    return `if ((kv${k}[row] !== ${value} && (kv${k}[row] === kv${k}[row] || ${value} === ${value}))${rest}) ${next}`;
  }
  return `if (kl${k}[row] !== len${k}) ${next}
    let q${k} = 0; const base${k} = ks${k}[row];
    while (q${k} < len${k} - 3 && arenaView.getInt32(base${k} + q${k}, true) === view${k}.getInt32(at${k} + q${k}, true)) q${k} += 4;
    while (q${k} < len${k} && arena[base${k} + q${k}] === src${k}[at${k} + q${k}]) q${k}++;
    if (q${k} < len${k}) ${next}`;
}

function numbersText(column: number, hasLarge: boolean): string {
  const values = `const cv${column} = batch.columns[${column}].values;`;
  return hasLarge ? `${values} const cr${column} = batch.columns[${column}].rest;` : values;
}

function restText(column: number): string {
  return `(cr${column} === undefined ? 0 : cr${column}[i])`;
}

function isText({ fieldType }: KeyedSpec['measures'][number]): boolean {
  return fieldType !== undefined && isStringType(fieldType);
}

function measuresText(spec: KeyedSpec, hasLarge: boolean): string {
  let next = 0;
  let sketches = 0;
  return spec.measures
    .map((measure, m) => {
      if (measure.aggregate.sketch !== undefined) return sketchText(measure, `s${sketches++}`, hasLarge);
      const count = measure.aggregate.accumulators(measure.fieldType).length;
      const acc = Array.from({ length: count }, () => `a${next++}[row]`);
      if (measure.column === undefined) {
        assert(count === 0, `${measure.aggregate.name} without a field keeps accumulators`);
        return '';
      }
      // Of a text only its being there reaches an aggregate: 1, or NaN for NULL.
      const value = isText(measure) ? `cl${measure.column}[i] < 0 ? NaN : 1` : `cv${measure.column}[i]`;
      if (!hasLarge || (measure.fieldType !== 'long' && measure.fieldType !== 'double'))
        return `const v${m} = ${value}; ${measure.aggregate.updateSource(acc, `v${m}`, measure.fieldType)}`;
      const update = measure.aggregate.updateSource(acc, `v${m}`, measure.fieldType, `r${m}`);
      return `const v${m} = ${value}, r${m} = ${restText(measure.column)}; ${update}`;
    })
    .join('\n  ');
}

/** Adds the line's value to a sketch of `row`: texts as the bytes that they are. */
function sketchText({ column, fieldType }: KeyedSpec['measures'][number], sketch: string, hasLarge: boolean): string {
  const c = present(column, 'a sketch is of a field');
  if (fieldType !== undefined && isStringType(fieldType))
    return `if (cl${c}[i] >= 0) { if (cs${c}[i] >= 0) ${sketch}.addText(row, bytes, bytesView, cs${c}[i], cl${c}[i], t); else ${sketch}.addText(row, scratch, scratchView, -1 - cs${c}[i], cl${c}[i], t); }`;
  const rest = hasLarge ? restText(c) : '0';
  return `if (cv${c}[i] === cv${c}[i]) ${sketch}.addNumber(row, cv${c}[i], ${rest}, t);`;
}

/** Gives a batch its loop: that for whole numbers beyond 2^53, which are rare, is compiled for the first batch that has some. */
export function loopsOf<Loop>(compile: (hasLarge: boolean) => Loop): (batch: Batch) => Loop {
  const usual = compile(false);
  let large: Loop | undefined;
  return ({ columns }) => {
    const hasLarge = columns.some((column) => column.kind === 'number' && column.rest !== undefined);
    return hasLarge ? (large ??= compile(true)) : usual;
  };
}
