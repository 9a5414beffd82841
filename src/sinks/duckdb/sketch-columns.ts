import type { Aggregates } from '../../aggregates/aggregate.ts';
import { isInfinite } from '../../epoch/merge.ts';
import type { SketchResult, SketchRules } from '../../aggregates/sketch.ts';
import {
  type ColumnData,
  type MeasureSpec,
  type RowSchema,
  type RowSet,
  bytesAt,
  columnIndex,
  columnTypeOf,
  kindOf,
  stateColumn,
  textColumn,
} from '../../epoch/table.ts';
import { restOf } from '../../lib/exact-integer.ts';
import type { FieldType } from '../../record/batch.ts';
import type { StagedColumn } from './load.ts';

/** A measure whose state is bytes. */
interface SketchMeasure {
  readonly measure: MeasureSpec;
  readonly rules: SketchRules;
  readonly type: FieldType;
}

/** Of a hidden table none: no query reads its sketches. */
export function sketchesOf({ measures, isVisible }: RowSchema, aggregates: Aggregates): SketchMeasure[] {
  if (!isVisible) return [];
  return measures.flatMap((measure) => {
    const rules = aggregates[measure.aggregate]?.sketch;
    const { fieldType: type } = measure;
    return rules === undefined || type === undefined ? [] : [{ measure, rules, type }];
  });
}

/** The storage column of such a measure's value. */
export function valueColumn({ name }: Pick<MeasureSpec, 'name'>): string {
  return stateColumn(name, '');
}

/** The storage columns of its state. */
export function sketchColumns({ measure, rules, type }: SketchMeasure): string[] {
  return rules.sqlColumns(type).map(({ suffix }) => stateColumn(measure.sketchOf ?? measure.name, suffix));
}

/**
 * What the warehouse stores in place of the bytes of a table's sketches: of every measure the value, and of every state what SQL needs to merge it
 * with those of other partitions. So a query over one partition decodes nothing.
 */
export function storedSketches(schema: RowSchema, rows: RowSet, aggregates: Aggregates): StagedColumn[] {
  const sketches = sketchesOf(schema, aggregates);
  const statesOf = ({ name, sketchOf }: MeasureSpec): Uint8Array[] => {
    const column = rows.columns[columnIndex(schema, stateColumn(sketchOf ?? name, '_sketch'))];
    return Array.from({ length: rows.length }, (_, i) => bytesAt(column, i) ?? new Uint8Array(0));
  };
  const values = sketches.map(({ measure, rules, type }) => {
    const isDouble = rules.valueType(type) === 'double';
    const results = statesOf(measure)
      .map((state) => rules.result(state, type, measure.parameter))
      .map((result) => (isDouble || !isInfinite(result) ? result : null));
    return kindOf(columnTypeOf(rules.valueType(type))) === 'string' ? textColumn(results) : numberColumn(results);
  });
  const states = sketches
    .filter(({ measure }) => measure.sketchOf === undefined)
    .flatMap(({ measure, rules, type }) => {
      const of = statesOf(measure);
      return rules
        .sqlColumns(type)
        .map(({ of: made }) =>
          made.kind === 'text'
            ? textColumn(of.map((state) => made.of(state)))
            : lists(of.map((state) => made.of(state))),
        );
    });
  return [...values, ...states];
}

function numberColumn(values: readonly SketchResult[]): ColumnData {
  const column = { kind: 'number', values: Float64Array.from(values, (value) => Number(value ?? Number.NaN)) } as const;
  if (!values.some((value) => typeof value === 'bigint')) return column;
  return { ...column, rest: Float64Array.from(values, (value) => (typeof value === 'bigint' ? restOf(value) : 0)) };
}

function lists(all: readonly ArrayLike<number>[]): StagedColumn {
  const offsets = new Uint32Array(all.length + 1);
  for (const [i, one] of all.entries()) offsets[i + 1] = offsets[i]! + one.length;
  const values = new Float64Array(offsets.at(-1)!);
  for (const [i, one] of all.entries()) values.set(one, offsets[i]);
  return { kind: 'list', offsets, values };
}
