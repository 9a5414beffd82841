import type { AggregateDefinition, Aggregates } from '../../aggregates/aggregate.ts';
import { type MeasureSpec, type RowColumn, type RowSchema, stateColumn } from '../../epoch/table.ts';
import { sqlOf } from '../../expressions/sql-text.ts';
import { fieldsOf } from '../../expressions/tree.ts';
import { present } from '../../lib/assert.ts';
import type { FieldType } from '../../record/batch.ts';
import { identifier, literal } from './names.ts';
import { sketchColumns, sketchesOf, valueColumn } from './sketch-columns.ts';

export const SQL_TYPES: Readonly<Record<FieldType, string>> = {
  keyword: 'VARCHAR',
  ip: 'VARCHAR',
  long: 'BIGINT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  date: 'TIMESTAMPTZ',
};

export interface RollupView {
  readonly schema: RowSchema;
  readonly aggregates: Aggregates;
  /** The storage tables, as SQL names them. */
  readonly open: string;
  readonly final: string;
  /** Of the rollup's stream, fixed at its birth. */
  readonly partitions: number;
}

/** Storage columns of a measure. The dot keeps them apart from keys, whose dots became underscores, and from each other. */
export function accumulatorColumns(measure: MeasureSpec, aggregates: Aggregates): string[] {
  const accumulators = definitionOf(measure, aggregates).accumulators(measure.fieldType);
  return accumulators.map(({ suffix }) => stateColumn(measure.name, suffix));
}

/**
 * The view under the user's name, with results in place of accumulators. Late lines are counted beside the row of their key, whose window was
 * closed for them; which of them would have had none is not known. Where no window names a row, a late line is of none: NULL.
 */
export function rollupViewSql(view: RollupView): string {
  const { schema, aggregates } = view;
  const { table } = schema;
  const keys = schema.keys.map((key) => identifier(key.column));
  const windows = columnsOf(schema, 'window').map(({ name }) => `r.${identifier(name)}`);
  // A window made of panes has sketches when it is whole.
  const valueOf = (measure: MeasureSpec): string =>
    schema.openFrom === undefined
      ? identifier(valueColumn(measure))
      : `CASE WHEN r.status <> 'open' THEN ${identifier(valueColumn(measure))} END`;
  const measures = schema.measures.map((measure) => {
    const value = valueOf(measure);
    if (isDouble(measure, aggregates))
      return `CASE WHEN isfinite(${value}) THEN ${value} END AS ${identifier(measure.name)}`;
    if (definitionOf(measure, aggregates).sketch !== undefined) return `${value} AS ${identifier(measure.name)}`;
    const columns = accumulatorColumns(measure, aggregates).map(identifier);
    return `${definitionOf(measure, aggregates).resultSql(columns, measure.fieldType)} AS ${identifier(measure.name)}`;
  });
  const overflows = schema.measures.flatMap((measure) => {
    if (isDouble(measure, aggregates)) return `coalesce(isinf(${valueOf(measure)}), false)`;
    const columns = accumulatorColumns(measure, aggregates).map(identifier);
    return definitionOf(measure, aggregates).overflowSql?.(columns, measure.fieldType) ?? [];
  });
  const late = schema.identity.includes('window_start') ? lateSql(schema) : { lines: 'CAST(NULL AS BIGINT)', join: '' };
  const rows = `SELECT ${[...windows, ...keys.map((key) => `r.${key}`), ...measures].join(', ')},
      r.status, r.revision, r.lines, ${late.lines} AS late_lines, ${overflows.join(' OR ') || 'false'} AS overflow,
      r.is_other
    FROM (${isMerged(view) ? mergedRowsSql(view) : storedRowsSql(view)}) AS r ${late.join}`;
  return `CREATE OR REPLACE VIEW main.${identifier(table)} AS
    ${schema.derived === undefined ? rows : derivedSql(schema, aggregates, rows)}`;
}

/** The rows with what is made of their columns, behind their measures. */
function derivedSql(schema: RowSchema, aggregates: Aggregates, rows: string): string {
  const { keys, measures, derived = [] } = schema;
  const columnOf = (field: string): string => {
    const measure = measures.find(({ name }) => name === field);
    const column = `v.${identifier(keys.find(({ field: key, as = key }) => as === field)?.column ?? field)}`;
    // Not TRY_CAST: DuckDB compares what is cast so before the cast.
    const isWider =
      measure !== undefined && definitionOf(measure, aggregates).sqlType?.(measure.fieldType) === 'HUGEINT';
    return isWider || field === 'revision'
      ? `CASE WHEN ${column} BETWEEN ${LONG_MIN} AND ${LONG_MAX} THEN CAST(${column} AS BIGINT) END`
      : column;
  };
  // What names one of these stands a level above: within TRY, DuckDB does not know the columns of the same list.
  const level = new Map<string, string>();
  let from = rows;
  const close = (): void => {
    from = `SELECT v.*, ${[...level.values()].join(', ')} FROM (${from}) AS v`;
    level.clear();
  };
  for (const { name, tree } of derived) {
    if (fieldsOf(tree).some((field) => level.has(field.name))) close();
    level.set(name, `${sqlOf(tree, columnOf)} AS ${identifier(name)}`);
  }
  close();
  const names = [
    ...columnsOf(schema, 'window'),
    ...keys.map(({ column: name }) => ({ name })),
    ...measures,
    ...derived,
  ];
  const behind = ['status', 'revision', 'lines', 'late_lines', 'overflow', 'is_other'];
  return `SELECT ${[...names.map(({ name }) => identifier(name)), ...behind].join(', ')} FROM (${from})`;
}

function lateSql({ table, keys, openFrom }: RowSchema): { readonly lines: string; readonly join: string } {
  const lateKeys = keys.map((key, index) => `TRY_CAST(key[${index + 1}] AS ${SQL_TYPES[key.type]}) AS k${index}`);
  const matches = keys.map(({ column }, index) => ` AND late.k${index} IS NOT DISTINCT FROM r.${identifier(column)}`);
  const missed = `SELECT window_start, window_end, key, count(*) AS missed FROM tailrace.late WHERE rollup = ${literal(table)} GROUP BY ALL`;
  const join = `LEFT JOIN (
      SELECT window_start AS late_start, window_end AS late_end, ${[...lateKeys, 'CAST(sum(missed) AS BIGINT) AS late_lines'].join(', ')}
      FROM (${openFrom === undefined ? missed : missedWindowsSql(missed, openFrom)}) GROUP BY ALL
    ) AS late ON late.late_start = r.window_start AND late.late_end = r.window_end${matches.join('')}`;
  // In the condition of the join it would keep DuckDB from joining by hash.
  return { lines: 'CASE WHEN r.is_other THEN 0 ELSE coalesce(late.late_lines, 0) END', join };
}

/** A line may have missed several windows, one each slide: they are told apart when lines are counted. */
function missedWindowsSql(missed: string, { sizeMs, slideMs }: Required<RowSchema>['openFrom']): string {
  const [size, slide] = [sizeMs, slideMs].map((ms) => `to_milliseconds(${ms})`);
  const starts = `unnest(generate_series(window_start, window_end - ${size}, ${slide})) AS window_start`;
  return `SELECT * REPLACE (window_start + ${size} AS window_end) FROM (SELECT ${starts}, window_end, key, missed FROM (${missed}))`;
}

const LONG_MAX = 2n ** 63n - 1n;
const LONG_MIN = -(2n ** 63n);

const IS_OPEN = identifier('row.is_open');

/** With one partition a stored row is the row, and so is one that only a partition can name: by the hash of a line. */
function isMerged({ partitions, schema }: RollupView): boolean {
  return partitions > 1 && !columnsOf(schema, 'hash').some(({ name }) => schema.identity.includes(name));
}

function columnsOf({ columns }: RowSchema, role: RowColumn['role']): readonly RowColumn[] {
  return columns.filter((column) => column.role === role);
}

function storedRowsSql(view: RollupView): string {
  return `SELECT *, CASE WHEN revision > 0 THEN 'revised' ELSE 'final' END AS status FROM ${view.final}
    UNION ALL BY NAME
    SELECT *, 'open' AS status FROM (${openRowsSql(view)})`;
}

/** Of panes, what each window has in each partition: all but sketches, which would be merged anew by every query (open-windows.ts). */
function openRowsSql({ schema, aggregates, open }: RollupView): string {
  if (schema.openFrom === undefined) return `FROM ${open}`;
  const byKey = ['partition', ...schema.identity].map((column) => `p.${identifier(column)}`);
  return `SELECT ${[...byKey, ...mergedStates(schema, aggregates)].join(', ')}, ${COUNTS} FROM ${open} AS p GROUP BY ${byKey.join(', ')}`;
}

const COUNTS = 'CAST(sum(p.lines) AS BIGINT) AS lines, CAST(sum(p.revision) AS UINTEGER) AS revision';

function mergedStates({ measures }: RowSchema, aggregates: Aggregates): string[] {
  return measures.flatMap((measure) => {
    const columns = accumulatorColumns(measure, aggregates).map(identifier);
    const ofRow = columns.map((column) => `p.${column}`);
    const sql = definitionOf(measure, aggregates).mergeSql(ofRow, measure.fieldType, 'p.partition');
    return columns.map((column, index) => `${present(sql[index], `an expression for ${column}`)} AS ${column}`);
  });
}

/**
 * With several, the rows of a window and key are merged. The merged row is open while one of them is, or while a partition that still has
 * something to read has not passed the window.
 */
function mergedRowsSql(view: RollupView): string {
  const { schema, aggregates } = view;
  const sketches = sketchesOf(schema, aggregates).map((sketch) => {
    const value = identifier(valueColumn(sketch.measure));
    const columns = sketchColumns(sketch).map((column) => `p.${identifier(column)}`);
    const names = { value: `p.${value}`, columns, partition: 'p.partition' };
    return `${sketch.rules.mergedSql(names, sketch.measure.parameter)} AS ${value}`;
  });
  const byKey = schema.identity.map((column) => `p.${identifier(column)}`);
  // epoch/finality.ts, with the watermark on one side. What has no watermark yet has passed nothing.
  const leastWatermark = `SELECT min(coalesce(c.watermark, '-infinity'::TIMESTAMPTZ)) FROM tailrace.cursors AS c
    WHERE c.stream = ${literal(schema.stream)} AND EXISTS (FROM tailrace.sources AS s WHERE s.stream = c.stream
      AND s.partition = c.partition AND s.state IN ('announced', 'reading', 'gap', 'unreadable'))`;
  const passedAt = `p.${identifier(present(schema.closesBy, 'a merged row closes'))} + to_milliseconds(${schema.allowedLatenessMs - 1})`;
  return `SELECT ${[...byKey, ...mergedStates(schema, aggregates), ...sketches].join(', ')},
      ${COUNTS},
      CASE WHEN bool_or(p.${IS_OPEN}) OR coalesce(${passedAt} > (${leastWatermark}), false) THEN 'open'
        WHEN sum(p.revision) > 0 THEN 'revised' ELSE 'final' END AS status
    FROM (SELECT *, false AS ${IS_OPEN} FROM ${view.final} UNION ALL BY NAME SELECT *, true AS ${IS_OPEN} FROM (${openRowsSql(view)})) AS p
    GROUP BY ${byKey.join(', ')}`;
}

function definitionOf(measure: MeasureSpec, aggregates: Aggregates): AggregateDefinition {
  return present(aggregates[measure.aggregate], `aggregate ${measure.aggregate} is known`);
}

/** A sketch whose value may be beyond all numbers. */
function isDouble(measure: MeasureSpec, aggregates: Aggregates): boolean {
  const { fieldType } = measure;
  return fieldType !== undefined && definitionOf(measure, aggregates).sketch?.valueType(fieldType) === 'double';
}
