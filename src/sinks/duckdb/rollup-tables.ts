import type { DuckDBConnection } from '@duckdb/node-api';
import type { RollupRows } from '../../epoch/epoch.ts';
import { isFinal } from '../../epoch/finality.ts';
import type { RollupSpec } from '../../epoch/pipeline.ts';
import { assert } from '../../lib/assert.ts';
import { OperatingError } from '../../lib/errors.ts';
import type { FieldType } from '../../record/batch.ts';
import { type StageColumn, loadStage, stageType } from './load.ts';
import { ROLLUP_COLUMNS, identifier } from './names.ts';
import { type Aggregates, SQL_TYPES, accumulatorColumns, rollupViewSql } from './rollup-view.ts';

interface StoredColumn {
  readonly name: string;
  readonly type: string;
  /** Makes the stored value of the staged one, and of what that lacks of whole numbers beyond 2^53. */
  readonly fromStage: (staged: string, rest?: string) => string;
}

const asIs = (staged: string): string => staged;
const asBigint = (staged: string): string => `CAST(${staged} AS BIGINT)`;
const asTime = (staged: string): string => `make_timestamptz(CAST(${staged} * 1000 AS BIGINT))`;

/** What tells rows of a partition apart, beside their keys. */
const IDENTITY: readonly string[] = ['window_start', 'window_end', 'is_other'];

/** What an epoch says of one rollup of one partition. */
export interface RollupChange {
  readonly partition: number;
  /** Undefined when no row changed. */
  readonly rows: RollupRows | undefined;
  readonly watermarkMs: number;
  /** The rows are the whole state: open rows that are not among them are gone. */
  readonly isSnapshot: boolean;
}

/**
 * The tables of one rollup. Rows of open windows are replaced again and again and stand in a small table; rows of final windows are
 * written once and never touched. No index and no primary key: DuckDB's are slow to write and have the worst record of surviving
 * crashes. Nulls of keys are equal to each other, and '' is another key.
 */
export class RollupTables {
  readonly name: string;
  readonly spec: RollupSpec;
  readonly #aggregates: Aggregates;
  readonly #columns: readonly StoredColumn[];
  readonly #keyNames: readonly string[];
  readonly #stage: string;
  readonly #open: string;
  readonly #final: string;
  /** Keys of the stage that have a second lane. */
  #large: ReadonlySet<string> = new Set();

  constructor(name: string, spec: RollupSpec, aggregates: Aggregates) {
    this.name = name;
    this.spec = spec;
    this.#aggregates = aggregates;
    this.#stage = `stage_${name}`;
    this.#open = `tailrace.${identifier(`${name}_open`)}`;
    this.#final = `tailrace.${identifier(`${name}_final`)}`;
    this.#keyNames = spec.by.map((key) => key.column);
    this.#columns = [
      { name: 'window_start', type: 'TIMESTAMPTZ', fromStage: asTime },
      { name: 'window_end', type: 'TIMESTAMPTZ', fromStage: asTime },
      { name: 'revision', type: 'UINTEGER', fromStage: asIs },
      { name: 'lines', type: 'BIGINT', fromStage: asBigint },
      { name: 'sum_a', type: 'UINTEGER', fromStage: asIs },
      { name: 'sum_b', type: 'UINTEGER', fromStage: asIs },
      { name: 'is_other', type: 'BOOLEAN', fromStage: asIs },
      ...spec.by.map((key) => ({ name: key.column, type: SQL_TYPES[key.type], fromStage: keyFromStage(key.type) })),
      ...spec.measures.flatMap((measure) =>
        accumulatorColumns(measure, aggregates).map((column) => ({ name: column, type: 'DOUBLE', fromStage: asIs })),
      ),
    ];
    this.#checkNames();
  }

  /** Statements that make the storage tables and the view over `partitions` partitions; harmless where they exist. */
  createSql(partitions: number): string[] {
    const columns = this.#columns.map(({ name, type }) => `${identifier(name)} ${type}`).join(', ');
    return [this.#open, this.#final]
      .map((table) => `CREATE TABLE IF NOT EXISTS ${table} (partition INTEGER, ${columns})`)
      .concat(this.#viewSql(partitions));
  }

  async apply(connection: DuckDBConnection, change: RollupChange): Promise<void> {
    const { partition, rows, watermarkMs, isSnapshot } = change;
    const hasRows = rows !== undefined && rows.length > 0;
    if (hasRows) {
      await this.#load(connection, rows);
      await this.#deleteStaged(connection, this.#open, partition);
    }
    const limit = this.#finalLimit(watermarkMs);
    if (limit !== undefined) await this.#moveToFinal(connection, partition, `window_end <= ${limit}`);
    if (isSnapshot) {
      await connection.run(`DELETE FROM ${this.#open} WHERE partition = ${partition}`);
      // A snapshot may be applied over what a former one left: its final rows are then there already.
      if (hasRows) await this.#deleteStaged(connection, this.#final, partition);
    }
    if (hasRows) await this.#insertStaged(connection, rows, partition, watermarkMs);
  }

  /** The rollup left the pipeline: its open rows are final as they are. */
  async close(connection: DuckDBConnection, partition: number): Promise<void> {
    await this.#moveToFinal(connection, partition, 'true');
  }

  async #load(connection: DuckDBConnection, rows: RollupRows): Promise<void> {
    const staged: StageColumn[] = [
      rows.windowStartMs,
      rows.windowEndMs,
      rows.revision,
      rows.lines,
      rows.sumA,
      rows.sumB,
      rows.isOther,
      ...rows.keys.map((key) => (key.kind === 'number' ? key.values : key)),
      ...rows.accumulators,
    ];
    assert(
      staged.length === this.#columns.length,
      `${this.name} has ${this.#columns.length} columns, the epoch brings ${staged.length}`,
    );
    const definitions = staged.map((column, index) => `${identifier(this.#columns[index]!.name)} ${stageType(column)}`);
    // Whole numbers beyond 2^53 bring a second column.
    const rests = rows.keys.map((key) => (key.kind === 'number' ? key.rest : undefined));
    const large = rests.flatMap((rest, k) => (rest === undefined ? [] : [{ name: this.#keyNames[k]!, rest }]));
    definitions.push(...large.map(({ name }) => `${identifier(restColumn(name))} DOUBLE`));
    await connection.run(`CREATE OR REPLACE TEMP TABLE ${identifier(this.#stage)} (${definitions.join(', ')})`);
    await loadStage(connection, this.#stage, rows.length, [...staged, ...large.map(({ rest }) => rest)]);
    this.#large = new Set(large.map(({ name }) => name));
  }

  /** Deletes the rows of a table that have the window and key of a staged one. */
  async #deleteStaged(connection: DuckDBConnection, table: string, partition: number): Promise<void> {
    const matches = this.#columns
      .filter(({ name }) => IDENTITY.includes(name) || this.#keyNames.includes(name))
      .map((stored) => {
        const { name } = stored;
        const isKey = this.#keyNames.includes(name);
        return `t.${identifier(name)} ${isKey ? 'IS NOT DISTINCT FROM' : '='} ${this.#storedSql(stored, 's.')}`;
      });
    await connection.run(
      `DELETE FROM ${table} AS t USING temp.${identifier(this.#stage)} AS s WHERE t.partition = ${partition} AND ${matches.join(' AND ')}`,
    );
  }

  async #moveToFinal(connection: DuckDBConnection, partition: number, condition: string): Promise<void> {
    const where = `WHERE partition = ${partition} AND ${condition}`;
    await connection.run(`INSERT INTO ${this.#final} SELECT * FROM ${this.#open} ${where}`);
    await connection.run(`DELETE FROM ${this.#open} ${where}`);
  }

  async #insertStaged(
    connection: DuckDBConnection,
    rows: RollupRows,
    partition: number,
    watermarkMs: number,
  ): Promise<void> {
    const lateness = this.spec.allowedLatenessMs;
    let finalRows = 0;
    for (let row = 0; row < rows.length; row++) if (isFinal(rows.windowEndMs[row]!, lateness, watermarkMs)) finalRows++;
    const columns = this.#columns.map((column) => this.#storedSql(column)).join(', ');
    const select = `SELECT ${partition}, ${columns} FROM temp.${identifier(this.#stage)}`;
    // isFinal with the window's end on one side, for the staged milliseconds.
    const limitMs = watermarkMs - lateness + 1;
    const isMixed = finalRows > 0 && finalRows < rows.length;
    const where = (condition: string): string => (isMixed ? ` WHERE window_end ${condition} ${limitMs}` : '');
    if (finalRows > 0) await connection.run(`INSERT INTO ${this.#final} ${select}${where('<=')}`);
    if (finalRows < rows.length) await connection.run(`INSERT INTO ${this.#open} ${select}${where('>')}`);
  }

  #storedSql({ name, fromStage }: StoredColumn, of = ''): string {
    const rest = this.#large.has(name) ? `${of}${identifier(restColumn(name))}` : undefined;
    return fromStage(`${of}${identifier(name)}`, rest);
  }

  /** The latest window end that is final, as SQL; undefined before the first watermark. */
  #finalLimit(watermarkMs: number): string | undefined {
    return watermarkMs === -Infinity
      ? undefined
      : asTime(`CAST(${watermarkMs - this.spec.allowedLatenessMs + 1} AS DOUBLE)`);
  }

  #viewSql(partitions: number): string {
    return rollupViewSql({
      name: this.name,
      spec: this.spec,
      aggregates: this.#aggregates,
      open: this.#open,
      final: this.#final,
      partitions,
    });
  }

  #checkNames(): void {
    const names = [...ROLLUP_COLUMNS, ...this.#keyNames, ...this.spec.measures.map((measure) => measure.name)].map(
      (name) => name.toLowerCase(),
    );
    const clash = names.find((name, index) => names.indexOf(name) !== index);
    if (clash === undefined) return;
    throw new OperatingError(`rollup ${this.name}: two columns would be called ${clash}`, {
      code: 'WAREHOUSE_COLUMN_CLASH',
      hint: 'rename the measure, or group by another field',
    });
  }
}

/** The dot keeps it apart from keys, whose dots became underscores. */
function restColumn(key: string): string {
  return `${key}.rest`;
}

function keyFromStage(type: FieldType): StoredColumn['fromStage'] {
  if (SQL_TYPES[type] === 'VARCHAR') return asIs;
  return (staged, rest) => {
    const number = rest === undefined ? staged : `CAST(${staged} AS HUGEINT) + CAST(${rest} AS HUGEINT)`;
    const value = type === 'date' ? asTime(staged) : `CAST(${number} AS ${SQL_TYPES[type]})`;
    return `CASE WHEN NOT isnan(${staged}) THEN ${value} END`;
  };
}
