// Runs the same expressions over the same rows in DuckDB, in the interpreter and in generated code.
import { type DuckDBConnection, DuckDBInstance, type DuckDBResultReader } from '@duckdb/node-api';
import fc from 'fast-check';
import { interpretedColumn } from '../../../src/expressions/column.ts';
import { compileColumn } from '../../../src/expressions/compile.ts';
import { cellAt, setCell } from '../../../src/expressions/column.ts';
import { resolveExpression } from '../../../src/expressions/resolve.ts';
import { SqlParser } from '../../../src/expressions/sql-parser.ts';
import { sqlOf } from '../../../src/expressions/sql-text.ts';
import { type Tree, type Value } from '../../../src/expressions/tree.ts';
import { Batch, type FieldType } from '../../../src/record/batch.ts';
import { DOUBLES, FIELDS, type GeneratedType, LONGS, type Pair, SQL_TYPES, TEXTS, TIMES_MS } from './grammar.ts';

export type Row = readonly Value[];

const NAMES = Object.keys(FIELDS);
const TYPES: readonly GeneratedType[] = Object.values(FIELDS);

const VALUES: Readonly<Record<GeneratedType, fc.Arbitrary<Value>>> = {
  boolean: fc.boolean(),
  long: LONGS,
  double: DOUBLES,
  text: TEXTS,
  time: TIMES_MS,
};

/** Rows of every field, a sixth of their cells NULL. */
export const ROWS: fc.Arbitrary<Row> = fc.tuple(
  ...TYPES.map((type) => fc.option(VALUES[type], { freq: 5, nil: null })),
);

const FIELD_TYPES: Readonly<Record<GeneratedType, FieldType>> = {
  boolean: 'boolean',
  long: 'long',
  double: 'double',
  text: 'keyword',
  time: 'date',
};

/** The fields of the rows, as a stream has them. */
export const SCOPE = {
  typeOf: (name: string): FieldType | undefined =>
    Object.hasOwn(FIELDS, name) ? FIELD_TYPES[FIELDS[name as keyof typeof FIELDS]] : undefined,
  unknown: (name: string) => ({ message: `no field ${name}` }),
};

/** Reads expressions as a configuration does. A generated one that is refused is a mistake of the generator. */
export async function treesOf(texts: readonly string[], parser = new SqlParser()): Promise<Tree[]> {
  for (const text of texts) parser.get(text);
  await parser.read();
  return texts.map((text) => {
    const result = parser.get(text)!;
    if ('problem' in result) throw new Error(`${text}: ${result.problem.message}`);
    const resolution = resolveExpression(result.parsed, SCOPE);
    if ('problem' in resolution) throw new Error(`${text}: ${resolution.problem.message}`);
    return resolution.tree;
  });
}

/** DuckDB with the rows in a table. */
export class SqlOracle {
  readonly #connection: DuckDBConnection;

  private constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  static async open(): Promise<SqlOracle> {
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    await connection.run("SET TimeZone = 'UTC'");
    await connection.run('CREATE MACRO finite(x) AS CASE WHEN isfinite(x) THEN x END');
    const columns = NAMES.map((name, i) => `"${name}" ${SQL_TYPES[TYPES[i]!]}`);
    await connection.run(`CREATE TABLE rows (row INTEGER, ${columns.join(', ')})`);
    return new SqlOracle(connection);
  }

  async load(rows: readonly Row[]): Promise<void> {
    await this.#connection.run('DELETE FROM rows');
    const values = rows.map((row, i) => `(${[i, ...row.map((value, at) => literal(value, TYPES[at]!))].join(', ')})`);
    await this.#connection.run(`INSERT INTO rows VALUES ${values.join(', ')}`);
  }

  /** The values of each expression over the rows: times in milliseconds. */
  async valuesOf(expressions: readonly { readonly sql: string; readonly type: GeneratedType }[]): Promise<Value[][]> {
    const columns = expressions.map(({ sql, type }, i) =>
      type === 'time' ? `epoch_ms(${sql})::DOUBLE AS c${i}` : `${sql} AS c${i}`,
    );
    const ask = (sql: string): Promise<DuckDBResultReader> =>
      this.#connection.runAndReadAll(`SELECT ${sql} FROM rows ORDER BY row`);
    const reader = await ask(columns.join(', ')).catch(async (error: unknown) => {
      // Whose fault it is.
      for (const column of columns) {
        await ask(column).catch((cause: unknown) => {
          throw new Error(`DuckDB refuses ${column}: ${String(cause)}`, { cause });
        });
      }
      throw error;
    });
    return reader.getColumns() as Value[][];
  }

  close(): void {
    this.#connection.closeSync();
  }
}

/** A value in SQL. */
export function literal(value: Value, type: GeneratedType): string {
  if (value === null) return 'NULL';
  if (type === 'time') return `make_timestamptz(${Number(value) * 1000})`;
  const text = Object.is(value, -0) ? "'-0.0'" : `'${String(value).replaceAll("'", "''")}'`;
  return type === 'text' ? text : `${text}::${SQL_TYPES[type]}`;
}

/** The rows as a batch: every other text in its scratch, as codecs leave those with escapes. */
export function batchOf(rows: readonly Row[], results: readonly GeneratedType[]): Batch {
  const batch = new Batch(
    [...TYPES, ...results].map((type) => FIELD_TYPES[type]),
    16,
  );
  const texts = rows.flatMap((row) =>
    row.filter((value) => typeof value === 'string').map((value) => Buffer.from(value)),
  );
  batch.reset(new Uint8Array(Buffer.concat(texts)), rows.length);
  batch.length = rows.length;
  batch.verdict.fill(0, 0, rows.length);
  let at = 0;
  for (const [i, row] of rows.entries()) {
    for (const [c, value] of row.entries()) {
      const column = batch.columns[c]!;
      setCell(batch, column, i, value);
      if (column.kind === 'number' || typeof value !== 'string') continue;
      if ((i + c) % 2 === 0) column.start[i] = at;
      at += Buffer.byteLength(value);
    }
  }
  return batch;
}

export interface Disagreement {
  readonly expression: Pair;
  readonly row: string;
  readonly expected: Value;
  readonly interpreted: Value;
  readonly compiled: Value;
  /** The tree as SQL again. */
  readonly printed: Value;
}

/** Where DuckDB, the interpreter, the generated code and the tree printed as SQL say different things of the same expression and row. */
export async function disagreements(
  oracle: SqlOracle,
  pairs: readonly (Pair & { readonly type: GeneratedType })[],
  rows: readonly Row[],
): Promise<Disagreement[]> {
  const trees = await treesOf(pairs.map(({ text }) => text));
  await oracle.load(rows);
  const expected = await oracle.valuesOf(pairs);
  const printed = await oracle.valuesOf(
    trees.map((tree, i) => {
      const { type } = pairs[i]!;
      return { sql: `CAST(${sqlOf(tree, (name) => `"${name}"`)} AS ${SQL_TYPES[type]})`, type };
    }),
  );
  const types = pairs.map(({ type }) => type);
  const batch = batchOf(rows, [...types, ...types]);
  const columnOf = (name: string): number => NAMES.indexOf(name);
  return trees.flatMap((tree, i) => {
    const [interpreted, compiled] = [batch.columns[NAMES.length + i]!, batch.columns[NAMES.length + trees.length + i]!];
    interpretedColumn(tree, columnOf).run(batch, interpreted);
    compileColumn(tree, columnOf).run(batch, compiled);
    return rows.flatMap((row, r) => {
      const values = {
        expected: expected[i]![r]!,
        interpreted: cellAt(batch, interpreted, r, tree.type),
        compiled: cellAt(batch, compiled, r, tree.type),
        printed: printed[i]![r]!,
      };
      const isSame = [values.interpreted, values.compiled, values.printed].every((value) =>
        same(value, values.expected),
      );
      if (isSame) return [];
      const shown = JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
      return [{ expression: pairs[i]!, row: shown, ...values }];
    });
  });
}

/** To SQL −0 is 0. */
function same(left: Value, right: Value): boolean {
  return left === right || (Number.isNaN(left) && Number.isNaN(right));
}
