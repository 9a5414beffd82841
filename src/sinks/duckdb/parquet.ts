import { mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { present } from '../../lib/assert.ts';
import { identifier, literal } from './names.ts';
import type { RowTaker, SqlResult } from './sql-answer.ts';

/** The longest row: DuckDB makes its buffers so large. */
const ROW_BYTES_MAX = 32 * 1024 * 1024;
/** DuckDB keeps a row group a thread in memory. */
const SETTINGS = { memory_limit: '512MB', threads: '2' };

/**
 * An answer as a Parquet file, with the types that it has in SQL. The rows are kept as JSON in a folder of their own until the last has come: a
 * Parquet file says at its end what is in it, and DuckDB writes it better than we would. `remove` must follow.
 */
export class ParquetSpool implements RowTaker {
  readonly #folder = mkdtempSync(join(tmpdir(), 'tailrace-parquet-'));
  readonly #rows = join(this.#folder, 'rows.ndjson');
  readonly path = join(this.#folder, 'answer.parquet');
  #file: FileHandle | undefined;
  #columns: SqlResult['columns'] = [];

  columns(columns: SqlResult['columns']): void {
    this.#columns = columns;
  }

  async rows(rows: SqlResult['rows']): Promise<void> {
    this.#file ??= await open(this.#rows, 'w', 0o600);
    await this.#file.writeFile(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  }

  /** Makes the file. `names` are those of its columns, of which no two may be alike. */
  async finish(names: readonly string[]): Promise<void> {
    this.#file ??= await open(this.#rows, 'w', 0o600);
    await this.#file.close();
    const instance = await DuckDBInstance.create(':memory:', SETTINGS);
    const connection = await instance.connect();
    try {
      const columns = this.#columns.map(
        ({ type }, index) =>
          `${valueSql(type, index)} AS ${identifier(present(names[index], 'every column has a name'))}`,
      );
      await connection.run(
        `COPY (SELECT ${columns.join(', ')} FROM read_ndjson_objects(${literal(this.#rows)}, maximum_object_size = ${ROW_BYTES_MAX}) AS r(row))
        TO ${literal(this.path)} (FORMAT parquet, COMPRESSION zstd)`,
      );
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
  }

  async remove(): Promise<void> {
    await this.#file?.close().catch(() => undefined);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/**
 * The value as it was, of what `jsonValue` has made of it (sql-values.ts). Parquet has no whole numbers of 128 bits, and DuckDB would make
 * doubles of them. Of a map its pairs stay JSON, and so does a list or struct with bytes or such numbers in it.
 */
function valueSql(type: string, index: number): string {
  const text = `row->>${index}`;
  if (type === 'BLOB') return `from_base64(${text})`;
  // By way of its own type: DuckDB takes 40 µs to make a decimal of so many digits from a text.
  if (type === 'HUGEINT' || type === 'UHUGEINT') return `CAST(CAST(${text} AS ${type}) AS DECIMAL(38, 0))`;
  if (type === 'VARCHAR' || /MAP\(|BLOB|HUGEINT/.test(type)) return text;
  const isNested = /[[(]/.test(type) && !/^(DECIMAL|ENUM)\([^)]*\)$/.test(type);
  return isNested ? `CAST(row->${index} AS ${type})` : `CAST(${text} AS ${type})`;
}
