import type { Aggregates } from '../aggregates/aggregate.ts';
import { type SketchResult, mergeStates } from '../aggregates/sketch.ts';
import { present } from '../lib/assert.ts';
import { exactJson, parseExactJson } from '../lib/exact-integer.ts';
import type { MeasureSpec } from './table.ts';

/** What one partition says of a row of a window and key. */
export interface RowPart {
  readonly revision: number;
  readonly lines: number;
  /** Accumulators of all measures, in the order of the rollup's definition. */
  readonly accumulators: readonly number[];
  /** States of the sketches, in the same order; without one: no bytes. */
  readonly sketches?: readonly Uint8Array[];
}

/** A row over all partitions, with results in place of accumulators. */
export interface MergedRow {
  readonly revision: number;
  readonly lines: number;
  /** One a measure; null is NULL. */
  readonly values: readonly SketchResult[];
  readonly hasOverflown: boolean;
}

const NO_BYTES = new Uint8Array(0);

/**
 * The one function that merges the rows of a window and key in different partitions. (DuckDB's view says the same in SQL, from the same
 * aggregates; the two are tested against each other.) The parts are taken in the order they are given, by partition: that decides between values of
 * one time, and over the last bits of sums of `double`s.
 */
export function mergeRow(
  parts: readonly RowPart[],
  measures: readonly MeasureSpec[],
  aggregates: Aggregates,
): MergedRow {
  const lines = parts.reduce((sum, part) => sum + part.lines, 0);
  const revision = parts.reduce((sum, part) => sum + part.revision, 0);
  let at = 0;
  let hasOverflown = false;
  const sketches = new Map<string, Uint8Array>();
  const values = measures.map(({ name, aggregate, fieldType, parameter, sketchOf }) => {
    const definition = present(aggregates[aggregate], `aggregate ${aggregate} is known`);
    if (definition.sketch !== undefined) {
      const type = present(fieldType, `${name} is of a field`);
      const state =
        sketches.get(sketchOf ?? name) ??
        mergeStates(
          definition.sketch,
          type,
          parts.map((part) => part.sketches?.[sketches.size] ?? NO_BYTES),
        );
      sketches.set(sketchOf ?? name, state);
      const result = definition.sketch.result(state, type, parameter);
      if (!isInfinite(result)) return result;
      hasOverflown ||= definition.sketch.valueType(type) === 'double';
      return null;
    }
    const width = definition.accumulators(fieldType).length;
    const [first = [], ...rest] = parts.map(({ accumulators }) => accumulators.slice(at, at + width));
    at += width;
    for (const other of rest) definition.merge(first, other, fieldType);
    hasOverflown ||= definition.hasOverflown?.(first, fieldType) ?? false;
    return definition.result(first, lines, fieldType);
  });
  return { revision, lines, values, hasOverflown };
}

/** A sketch's result that is too large for its type. */
export function isInfinite(result: SketchResult): boolean {
  return result === Infinity || result === -Infinity;
}

/** A measure's value as JSON has it best. */
export function resultJson(
  value: SketchResult,
  { aggregate, fieldType }: MeasureSpec,
  aggregates: Aggregates,
): unknown {
  const sketch = aggregates[aggregate]?.sketch;
  const type = fieldType === undefined ? undefined : sketch?.valueType(fieldType);
  if (sketch?.isJson === true && typeof value === 'string') return parseExactJson(value);
  if (typeof value === 'string' || value === null) return value;
  if (type === 'boolean') return value === 1;
  return type === 'date' ? new Date(Number(value)).toISOString() : exactJson(value);
}
