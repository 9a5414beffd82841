import type { DuckDBConnection } from '@duckdb/node-api';
import { isFinal } from '../../epoch/finality.ts';
import {
  type ColumnType,
  type RowColumn,
  type RowSchema,
  type RowSet,
  columnTypeOf,
  numbersOf,
} from '../../epoch/table.ts';
import { isMutant } from '../../lib/mutant.ts';
import { assert, present } from '../../lib/assert.ts';
import { EXIT, OperatingError } from '../../lib/errors.ts';
import { type StagedColumn, loadStage, stageType } from './load.ts';
import { ROLLUP_COLUMNS, identifier } from './names.ts';
import { openWindowsSql } from './open-windows.ts';
import type { Aggregates } from '../../aggregates/aggregate.ts';
import { rollupViewSql } from './rollup-view.ts';
import { sketchColumns, sketchesOf, storedSketches, valueColumn } from './sketch-columns.ts';

interface StoredColumn {
  readonly name: string;
  readonly type: string;
  readonly isNullable: boolean;
  /** Makes the stored value of the staged one, and of what that lacks of whole numbers beyond 2^53. */
  readonly fromStage: (staged: string, rest?: string) => string;
}

const asIs = (staged: string): string => staged;
const asTime = (staged: string): string => `make_timestamptz(CAST(${staged} * 1000 AS BIGINT))`;

/** What an epoch says of one table of one partition. */
export interface RollupChange {
  readonly partition: number;
  /** Undefined when no row changed. */
  readonly upserts: RowSet | undefined;
  /** Undefined when no row went. */
  readonly removes: RowSet | undefined;
  readonly watermarkMs: number;
  /** The rows are the whole state: open rows that are not among them are gone. */
  readonly isSnapshot: boolean;
}

/**
 * The storage of one table of the pipeline. Rows that are not final are replaced again and again and stand in a small table; final rows are
 * written once and never touched. No index and no primary key: DuckDB's are slow to write and have the worst record of surviving
 * crashes. Nulls of keys are equal to each other, and '' is another key.
 */
export class RollupTables {
  readonly name: string;
  readonly schema: RowSchema;
  readonly #aggregates: Aggregates;
  readonly #columns: readonly StoredColumn[];
  readonly #identity: readonly StoredColumn[];
  readonly #stage: string;
  readonly #open: string;
  readonly #final: string;
  /** Columns of the stage that have a second lane. */
  #large: ReadonlySet<string> = new Set();

  constructor(schema: RowSchema, aggregates: Aggregates) {
    const name = schema.table;
    this.name = name;
    this.schema = schema;
    this.#aggregates = aggregates;
    this.#stage = `stage_${name}`;
    this.#open = `tailrace.${identifier(`${name}_open`)}`;
    this.#final = `tailrace.${identifier(`${name}_final`)}`;
    this.#columns = storedColumns(schema, aggregates);
    this.#identity = schema.identity.map((column) =>
      present(
        this.#columns.find((stored) => stored.name === column),
        `table ${name} has ${column}`,
      ),
    );
    this.#checkNames();
  }

  /** Statements that make the storage tables and the view over `partitions` partitions; harmless where they exist. */
  createSql(partitions: number): string[] {
    const columns = this.#columns.map(({ name, type }) => `${identifier(name)} ${type}`).join(', ');
    const stored = this.#hasOpenRows ? [this.#open, this.#final] : [this.#final];
    const storage = stored.map((table) => `CREATE TABLE IF NOT EXISTS ${table} (partition INTEGER, ${columns})`);
    if (!this.#hasOpenRows) storage.push(openWindowsSql(this.schema, this.#open));
    return this.schema.isVisible ? [...storage, this.#viewSql(partitions)] : storage;
  }

  /** Else what is open is a query. */
  get #hasOpenRows(): boolean {
    return this.schema.openFrom === undefined;
  }

  async apply(connection: DuckDBConnection, change: RollupChange): Promise<void> {
    const { partition, upserts, watermarkMs, isSnapshot } = change;
    if (!isMutant('fold.removes_last')) await this.#remove(connection, change);
    const hasRows = upserts !== undefined && upserts.length > 0;
    if (hasRows) {
      const sketches = storedSketches(this.schema, upserts, this.#aggregates);
      const numbers = upserts.columns.filter((_, i) => this.schema.columns[i]?.type !== 'bytes');
      await this.#load(connection, upserts.length, [...numbers, ...sketches], this.#columns);
      if (this.#hasOpenRows) await this.#deleteStaged(connection, this.#open, partition);
    }
    const closed = this.#closedSql(watermarkMs);
    if (closed !== undefined) await this.#moveToFinal(connection, partition, closed);
    if (isSnapshot) {
      if (this.#hasOpenRows) await connection.run(`DELETE FROM ${this.#open} WHERE partition = ${partition}`);
      // A snapshot may be applied over what a former one left: its final rows are then there already.
      if (hasRows) await this.#deleteStaged(connection, this.#final, partition);
    }
    if (hasRows) await this.#insertStaged(connection, upserts, partition, watermarkMs);
    if (isMutant('fold.removes_last')) await this.#remove(connection, change);
  }

  /** A row that is removed was never final: it is among the open ones, or was never told of. */
  async #remove(connection: DuckDBConnection, { partition, removes, isSnapshot }: RollupChange): Promise<void> {
    if (removes === undefined || removes.length === 0) return;
    await this.#load(connection, removes.length, removes.columns, this.#identity);
    const gone = await this.#deleteStaged(connection, this.#open, partition);
    // A warehouse may begin with a snapshot: what that removes was never in it.
    if (gone === removes.length || isSnapshot) return;
    throw new OperatingError(
      `table ${this.name}: an epoch of partition ${partition} removes ${removes.length} rows, ${gone} were there`,
      {
        code: 'WAREHOUSE_ROW_UNKNOWN',
        exitCode: EXIT.mismatch,
        hint: 'move the warehouse away: the next start makes it anew from the log',
      },
    );
  }

  /** The rollup left the pipeline: its open rows are final as they are. */
  async close(connection: DuckDBConnection, partition: number): Promise<void> {
    if (this.#hasOpenRows) await this.#moveToFinal(connection, partition, 'true');
  }

  /** Stages rows that have just these columns. */
  async #load(
    connection: DuckDBConnection,
    length: number,
    columns: readonly StagedColumn[],
    stored: readonly StoredColumn[],
  ): Promise<void> {
    assert(
      columns.length === stored.length,
      `${this.name} has ${stored.length} columns, the epoch brings ${columns.length}`,
    );
    const definitions = columns.map((column, index) => `${identifier(stored[index]!.name)} ${stageType(column)}`);
    // Whole numbers beyond 2^53 bring a second column.
    const large = columns.flatMap((column, index) => {
      if (column.kind !== 'number' || column.rest === undefined) return [];
      return [{ name: stored[index]!.name, rest: { kind: 'number', values: column.rest } as const }];
    });
    definitions.push(...large.map(({ name }) => `${identifier(restColumn(name))} DOUBLE`));
    await connection.run(`CREATE OR REPLACE TEMP TABLE ${identifier(this.#stage)} (${definitions.join(', ')})`);
    await loadStage(connection, this.#stage, length, [...columns, ...large.map(({ rest }) => rest)]);
    this.#large = new Set(large.map(({ name }) => name));
  }

  /** Deletes the rows of a table that have the identity of a staged one; returns how many there were. */
  async #deleteStaged(connection: DuckDBConnection, table: string, partition: number): Promise<number> {
    const matches = this.#identity.map((stored) => {
      const equals = stored.isNullable ? 'IS NOT DISTINCT FROM' : '=';
      return `t.${identifier(stored.name)} ${equals} ${this.#storedSql(stored, 's.')}`;
    });
    const deleted = await connection.run(
      `DELETE FROM ${table} AS t USING temp.${identifier(this.#stage)} AS s WHERE t.partition = ${partition} AND ${matches.join(' AND ')}`,
    );
    return deleted.rowsChanged;
  }

  async #moveToFinal(connection: DuckDBConnection, partition: number, condition: string): Promise<void> {
    const where = `WHERE partition = ${partition} AND ${condition}`;
    if (this.schema.whenFinal === 'keep')
      await connection.run(`INSERT INTO ${this.#final} SELECT * FROM ${this.#open} ${where}`);
    await connection.run(`DELETE FROM ${this.#open} ${where}`);
  }

  async #insertStaged(
    connection: DuckDBConnection,
    rows: RowSet,
    partition: number,
    watermarkMs: number,
  ): Promise<void> {
    const { closesBy, allowedLatenessMs } = this.schema;
    let finalRows = closesBy === null || !this.#hasOpenRows ? rows.length : 0;
    if (closesBy !== null && this.#hasOpenRows) {
      for (const endMs of numbersOf(this.schema, rows, closesBy))
        if (isFinal(endMs, allowedLatenessMs, watermarkMs)) finalRows++;
    }
    const columns = this.#columns.map((column) => this.#storedSql(column)).join(', ');
    const select = `SELECT ${partition}, ${columns} FROM temp.${identifier(this.#stage)}`;
    // isFinal with the end on one side, for the staged milliseconds.
    const limitMs = watermarkMs - allowedLatenessMs + 1;
    const isMixed = finalRows > 0 && finalRows < rows.length;
    const where = (is: string): string => (isMixed ? ` WHERE ${identifier(closesBy!)} ${is} ${limitMs}` : '');
    if (finalRows > 0 && this.schema.whenFinal === 'keep')
      await connection.run(`INSERT INTO ${this.#final} ${select}${where('<=')}`);
    if (finalRows < rows.length) await connection.run(`INSERT INTO ${this.#open} ${select}${where('>')}`);
  }

  #storedSql({ name, fromStage }: StoredColumn, of = ''): string {
    const rest = this.#large.has(name) ? `${of}${identifier(restColumn(name))}` : undefined;
    return fromStage(`${of}${identifier(name)}`, rest);
  }

  /** Which open rows are final at a watermark; undefined before the first. */
  #closedSql(watermarkMs: number): string | undefined {
    const { closesBy, allowedLatenessMs } = this.schema;
    if (watermarkMs === -Infinity || closesBy === null || !this.#hasOpenRows) return undefined;
    return `${identifier(closesBy)} <= ${asTime(`CAST(${watermarkMs - allowedLatenessMs + 1} AS DOUBLE)`)}`;
  }

  #viewSql(partitions: number): string {
    return rollupViewSql({
      schema: this.schema,
      aggregates: this.#aggregates,
      open: this.#open,
      final: this.#final,
      partitions,
    });
  }

  #checkNames(): void {
    const { keys, measures, derived = [] } = this.schema;
    const own = [...keys.map(({ column }) => column), ...[...measures, ...derived].map(({ name }) => name)];
    const names = [...ROLLUP_COLUMNS, ...own].map((name) => name.toLowerCase());
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

const SQL_TYPES: Readonly<Record<ColumnType, string>> = {
  long: 'BIGINT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  text: 'VARCHAR',
  time: 'TIMESTAMPTZ',
  bytes: 'BLOB',
  word: 'UINTEGER',
  flag: 'BOOLEAN',
};

/** Those of the schema; in place of sketches what is stored of them. */
function storedColumns(schema: RowSchema, aggregates: Aggregates): StoredColumn[] {
  const sketches = sketchesOf(schema, aggregates);
  const values = sketches.map(({ measure, rules, type }) =>
    storedColumn({ name: valueColumn(measure), type: columnTypeOf(rules.valueType(type)), role: 'key' }),
  );
  const states = sketches
    .filter(({ measure }) => measure.sketchOf === undefined)
    .flatMap((sketch) =>
      sketch.rules.sqlColumns(sketch.type).map(({ type, fromStage = (staged) => `CAST(${staged} AS ${type})` }, i) => ({
        name: sketchColumns(sketch)[i]!,
        type,
        isNullable: true,
        fromStage,
      })),
    );
  return [...schema.columns.filter(({ type }) => type !== 'bytes').map(storedColumn), ...values, ...states];
}

function storedColumn({ name, type, role }: Pick<RowColumn, 'name' | 'type' | 'role'>): StoredColumn {
  const sqlType = SQL_TYPES[type];
  const isNullable = role === 'key' && type !== 'flag';
  if (type === 'text' || type === 'word' || type === 'flag' || role === 'state')
    return { name, type: sqlType, isNullable, fromStage: asIs };
  const fromStage = (staged: string, rest?: string): string => {
    const number = rest === undefined ? staged : `CAST(${staged} AS HUGEINT) + CAST(${rest} AS HUGEINT)`;
    const value = type === 'time' ? asTime(staged) : `CAST(${number} AS ${sqlType})`;
    return isNullable ? `CASE WHEN NOT isnan(${staged}) THEN ${value} END` : value;
  };
  return { name, type: sqlType, isNullable, fromStage };
}
