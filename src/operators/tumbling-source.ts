import type { AggregateDefinition } from '../aggregates/aggregate.ts';
import { assert } from '../lib/assert.ts';
import { type FieldType, isStringType } from '../record/batch.ts';
import type { WindowTable } from './window-table.ts';
import type { AdmittedBatch } from './operator.ts';

/** What the generated loop leaves behind for the operator: sums of the lines that went into rows. */
export interface RolledUp {
  lines: number;
  a: number;
  b: number;
}

/** The part of the operator the generated loop calls, for what happens once a window, a key or a late line. */
export interface LoopHost {
  readonly rolledUp: RolledUp;
  /** Start of the window of an event time. */
  startOf(eventTimeMs: number): number;
  /** The open table of the window that starts there; makes it if need be. */
  tableAt(startMs: number): WindowTable;
  late(admitted: AdmittedBatch, line: number, startMs: number): void;
  insert(table: WindowTable, admitted: AdmittedBatch, line: number, hash: number): number;
  /** A line before the rollup's first window. */
  beforeRollup(admitted: AdmittedBatch, line: number): void;
}

export interface LoopSpec {
  readonly sizeMs: number;
  readonly allowedLatenessMs: number;
  readonly sinceMs: number;
  /** Batch column of each key. */
  readonly keys: readonly { readonly column: number; readonly kind: 'string' | 'number' }[];
  readonly measures: readonly {
    readonly aggregate: AggregateDefinition;
    readonly fieldType: FieldType | undefined;
    /** Batch column of the argument. */
    readonly column: number | undefined;
  }[];
}

export type Loop = (host: LoopHost, admitted: AdmittedBatch) => void;

/**
 * Generates the loop that takes a batch's lines into rows: window, lateness, key hash, probe, accumulators, in one pass with no
 * call and no allocation per line but for new keys and late lines. The text is made of numbers and of the aggregates' own text, never
 * of names or values from a configuration. With `hasLarge` it is the loop for batches with whole numbers beyond 2^53, which are rare and a
 * little slower: the other loop leaves out their second lane. test/support/interpreted-window.ts is the same rule in plain code.
 */
export function compileLoop(spec: LoopSpec, hasLarge = false): Loop {
  const columns = new Set([...spec.keys.map((key) => key.column), ...spec.measures.flatMap((m) => m.column ?? [])]);
  const stringColumns = new Set([
    ...spec.keys.filter((key) => key.kind === 'string').map((key) => key.column),
    ...spec.measures.flatMap((m) => (m.column !== undefined && isText(m) ? m.column : [])),
  ]);
  const accumulators = spec.measures.flatMap((m) => m.aggregate.accumulators(m.fieldType));
  const takeTable = [
    'slots = table.slots; mask = slots.length - 1; hashes = table.hashes; lines = table.lines; sumA = table.sumA; sumB = table.sumB;',
    'isChanged = table.isChanged; changed = table.changed; arena = table.arena; arenaView = table.arenaView;',
    ...spec.keys.map((key, k) =>
      key.kind === 'string'
        ? `ks${k} = table.keys[${k}].start; kl${k} = table.keys[${k}].length;`
        : `kv${k} = table.keys[${k}].values;${hasLarge ? ` kr${k} = table.keys[${k}].rest;` : ''}`,
    ),
    ...accumulators.map((_, i) => `a${i} = table.accumulators[${i}];`),
  ].join('\n');
  const locals = [
    'slots, mask = 0, hashes, lines, sumA, sumB, isChanged, changed, arena, arenaView',
    ...spec.keys.map((key, k) => (key.kind === 'string' ? `ks${k}, kl${k}` : hasLarge ? `kv${k}, kr${k}` : `kv${k}`)),
    ...accumulators.map((_, i) => `a${i}`),
  ].join(', ');
  const text = `
'use strict';
const batch = admitted.batch, bytes = batch.bytes, scratch = batch.scratch;
const bytesView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const scratchView = new DataView(scratch.buffer, scratch.byteOffset, scratch.byteLength);
const n = batch.length, verdict = batch.verdict, time = batch.eventTimeMs;
const before = admitted.watermarkBeforeMs, hashA = admitted.hashA, hashB = admitted.hashB;
${[...columns].map((c) => (stringColumns.has(c) ? `const cs${c} = batch.columns[${c}].start, cl${c} = batch.columns[${c}].length;` : numbersText(c, hasLarge))).join('\n')}
let ${locals};
let start = NaN, end = NaN, table = null, rolled = 0, rolledA = 0, rolledB = 0;
for (let i = 0; i < n; i++) {
  if (verdict[i] !== 0) continue;
  const t = time[i];
  if (!(t >= start && t < end)) { start = host.startOf(t); end = start + ${spec.sizeMs}; table = null; }
  ${spec.sinceMs === -Infinity ? '' : `if (start < ${spec.sinceMs}) { host.beforeRollup(admitted, i); continue; }`}
  if (end - 1 + ${spec.allowedLatenessMs} <= before[i]) { host.late(admitted, i, start); continue; }
  if (table === null) { table = host.tableAt(start); ${takeTable} }
  let h = 0;
  ${spec.keys.map((key, k) => hashText(key, k, hasLarge)).join('\n  ')}
  h ^= h >>> 15;
  let slot = h & mask, row = slots[slot];
  while (row >= 0) {
    if (hashes[row] === h) { ${spec.keys.map((key, k) => equalText(key, k, hasLarge)).join(' ')} break; }
    slot = (slot + 1) & mask; row = slots[slot];
  }
  if (row < 0) { row = host.insert(table, admitted, i, h); ${takeTable} }
  lines[row] += 1; sumA[row] += hashA[i]; sumB[row] += hashB[i];
  rolled++; rolledA = (rolledA + hashA[i]) | 0; rolledB = (rolledB + hashB[i]) | 0;
  if (isChanged[row] === 0) { isChanged[row] = 1; changed[table.changedCount++] = row; }
  ${spec.allowedLatenessMs > 0 ? 'if (end - 1 <= before[i]) table.revision[row] += 1;' : ''}
  ${measuresText(spec, hasLarge)}
}
host.rolledUp.lines = rolled; host.rolledUp.a = rolledA >>> 0; host.rolledUp.b = rolledB >>> 0;
//# sourceURL=generated/tumbling-window.js`;
  // Fast path by construction: one function per rollup, all constants folded (docs/decisions/0004-generated-code.md).
  // oxlint-disable-next-line typescript/no-implied-eval -- generated from numbers and the aggregates' own text
  return new Function('host', 'admitted', text) as Loop;
}

/** Adds a key column to the hash; the same arithmetic as `hashKey` in window-table.ts. */
function hashText(key: LoopSpec['keys'][number], k: number, hasLarge: boolean): string {
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
function equalText(key: LoopSpec['keys'][number], k: number, hasLarge: boolean): string {
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

function isText({ fieldType }: LoopSpec['measures'][number]): boolean {
  return fieldType !== undefined && isStringType(fieldType);
}

function measuresText(spec: LoopSpec, hasLarge: boolean): string {
  let next = 0;
  return spec.measures
    .map((measure, m) => {
      const count = measure.aggregate.accumulators(measure.fieldType).length;
      const acc = Array.from({ length: count }, () => `a${next++}[row]`);
      if (measure.column === undefined) {
        assert(count === 0, `${measure.aggregate.name} without a field keeps accumulators`);
        return '';
      }
      // Of a text only its being there reaches an aggregate: 1, or NaN for NULL.
      const value = isText(measure) ? `cl${measure.column}[i] < 0 ? NaN : 1` : `cv${measure.column}[i]`;
      if (!hasLarge || measure.fieldType !== 'long')
        return `const v${m} = ${value}; ${measure.aggregate.updateSource(acc, `v${m}`, measure.fieldType)}`;
      const update = measure.aggregate.updateSource(acc, `v${m}`, measure.fieldType, `r${m}`);
      return `const v${m} = ${value}, r${m} = ${restText(measure.column)}; ${update}`;
    })
    .join('\n  ');
}
