import type { Aggregates } from '../aggregates/aggregate.ts';
import type { SketchResult } from '../aggregates/sketch.ts';
import { type Interpreter, interpreter } from '../expressions/interpret.ts';
import { type Value, type ValueType, valueTypeOf } from '../expressions/tree.ts';
import { exactJson, safe } from '../lib/exact-integer.ts';
import type { Field } from '../record/batch.ts';
import { type MergedRow, resultJson } from './merge.ts';
import { tableFields } from './table-fields.ts';
import type { Cell, RowSchema } from './table.ts';

/** A row over all partitions: what is the same in all of them, and what they come to together. */
export interface ShownRow {
  readonly schema: RowSchema;
  readonly cells: Readonly<Record<string, Cell>>;
  readonly merged: MergedRow;
}

/** All measures of a row, derived ones last, as JSON has them best. */
export function measuresJson(row: ShownRow, aggregates: Aggregates): Record<string, unknown> {
  const { schema, merged } = row;
  const values = schema.measures.map((measure, i) => [
    measure.name,
    resultJson(merged.values[i]!, measure, aggregates),
  ]);
  const derived = [...derivedValues(row, aggregates)].map(([name, { value, type }]) => [name, valueJson(value, type)]);
  return Object.fromEntries([...values, ...derived]) as Record<string, unknown>;
}

interface DerivedValue {
  readonly value: Value;
  readonly type: ValueType;
}

/** The derived measures of a row, by name. */
export function derivedValues(row: ShownRow, aggregates: Aggregates): ReadonlyMap<string, DerivedValue> {
  const { derived = [] } = row.schema;
  const values = new Map<string, DerivedValue>();
  if (derived.length === 0) return values;
  const { programs, fields } = programOf(row.schema, aggregates);
  const valueOf = (name: string): Value => {
    const known = values.get(name);
    return known === undefined ? valueIn(resultOf(row, name), valueTypeOf(fields.get(name)!.type)) : known.value;
  };
  derived.forEach(({ name, tree: { type } }, i) => values.set(name, { value: programs[i]!(valueOf), type }));
  return values;
}

interface Program {
  /** One a derived measure. */
  readonly programs: readonly Interpreter[];
  readonly fields: ReadonlyMap<string, Field>;
}

/** Schemas live as long as their pipeline. */
const programs = new WeakMap<RowSchema, Program>();

function programOf(schema: RowSchema, aggregates: Aggregates): Program {
  let program = programs.get(schema);
  if (program === undefined) {
    const fields = Object.entries(tableFields(schema, aggregates)).map(
      ([name, type]) => [name, { name, type }] as const,
    );
    program = {
      programs: (schema.derived ?? []).map(({ tree }) => interpreter(tree, { lost: () => null })),
      fields: new Map(fields),
    };
    programs.set(schema, program);
  }
  return program;
}

function resultOf({ schema, cells, merged }: ShownRow, name: string): SketchResult {
  const measure = schema.measures.findIndex((one) => one.name === name);
  if (measure >= 0) return merged.values[measure]!;
  if (name === 'lines' || name === 'revision') return merged[name];
  const key = schema.keys.find(({ field, as = field }) => as === name);
  return cells[key?.column ?? name] ?? null;
}

/** A result as expressions have it. What is beyond its type is NULL: nobody knows what it was. */
function valueIn(result: SketchResult, type: ValueType): Value {
  if (result === null || type === 'text') return result === null ? null : String(result);
  if (type === 'long') {
    if (typeof result === 'number' && !Number.isFinite(result)) return null;
    const exact = BigInt(result);
    return BigInt.asIntN(64, exact) === exact ? exact : null;
  }
  const number = Number(result);
  if (!Number.isFinite(number)) return null;
  if (type === 'boolean') return number !== 0;
  return type === 'time' ? Math.floor(number) : number;
}

function valueJson(value: Value, type: ValueType): unknown {
  if (typeof value === 'bigint') return exactJson(safe(value));
  return type === 'time' && value !== null ? new Date(Number(value)).toISOString() : value;
}
