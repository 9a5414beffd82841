import type { DuckDBConnection } from '@duckdb/node-api';
import { OperatingError } from '../../lib/errors.ts';
import { literal, textCell } from './names.ts';

/** Longest text of a query. */
export const SQL_CHARACTERS_MAX = 100_000;

/**
 * Functions that a query may not call, of those DuckDB has. DuckDB's own switches (no external access, locked configuration) are no
 * sandbox: `enable_logging` aborts the process in spite of them. Of those that take any memory or time only the plainest are here, so that a
 * slip costs an error and not a restart: the bound is not this list but the process's own (query-watch.ts).
 */
const REFUSED_FUNCTIONS = new Set(
  [
    // Make values of any size from a number; in FROM, `range` and `generate_series` are streamed and allowed.
    'range generate_series generate_subscripts repeat lpad rpad list_resize array_resize bitstring equi_width_bins',
    // Look at or touch the process, its settings and its other queries.
    'current_setting getvariable getenv write_log parse_duckdb_log_message sleep_ms pg_sleep nextval currval setseed',
    'current_query current_query_id current_connection_id current_transaction_id txid_current stats vector_type',
    'json_serialize_plan json_deserialize_sql json_serialize_sql create_sort_key',
  ].flatMap((names) => names.split(' ')),
);

const TABLE_FUNCTIONS = new Set(['range', 'generate_series', 'unnest', 'json_each', 'json_tree']);
const SCHEMAS = new Set(['', 'main', 'tailrace', 'information_schema']);
const REFUSED_TABLES = /^(duckdb_|pragma_|sqlite_|pg_)/i;
const SHOWN = new Set(['"tables"', '__show_tables_expanded', '']);
/** Decides from a query's syntax tree, as DuckDB itself parses it, whether it may run. */
export class SqlGuard {
  readonly #functions: ReadonlySet<string>;

  private constructor(functions: ReadonlySet<string>) {
    this.#functions = functions;
  }

  static async create(connection: DuckDBConnection): Promise<SqlGuard> {
    const reader = await connection.runAndReadAll(
      `SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE internal AND function_type IN ('scalar', 'aggregate', 'macro')`,
    );
    const names = reader.getRowsJS().map(([name]) => textCell(name));
    return new SqlGuard(
      new Set(names.filter((name) => !REFUSED_FUNCTIONS.has(name) && !name.startsWith('__internal'))),
    );
  }

  /** Throws an OperatingError, `SQL_REFUSED` or `SQL_INVALID`, unless the text is one query that only reads tables. */
  async check(connection: DuckDBConnection, sql: string): Promise<void> {
    if (sql.length > SQL_CHARACTERS_MAX)
      throw refused(`a query has at most ${SQL_CHARACTERS_MAX} characters, this one has ${sql.length}`);
    if (sql.includes('\0')) throw refused('a query has no NUL characters');
    const query = sql.replace(/^\s*explain(\s+analyze)?\s+/i, '');
    const reader = await connection.runAndReadAll(
      `SELECT json_serialize_sql(${literal(query)}, skip_null := true, skip_empty := true, skip_default := true)`,
    );
    const tree = JSON.parse(textCell(reader.getRowsJS()[0]?.[0])) as SyntaxTree;
    if (tree.error) throw parseError(tree);
    const [statement, ...more] = tree.statements ?? [];
    if (statement === undefined) throw new OperatingError('the query is empty', { code: 'SQL_INVALID' });
    if (more.length > 0) throw refused(`one statement at a time, not ${more.length + 1}`);
    this.#walk(statement);
  }

  #walk(node: unknown): void {
    const pending = [node];
    while (pending.length > 0) {
      const next = pending.pop();
      if (typeof next !== 'object' || next === null) continue;
      if (Array.isArray(next)) {
        pending.push(...(next as unknown[]));
        continue;
      }
      const object = next as Record<string, unknown>;
      this.#checkNode(object);
      if (object['type'] === 'TABLE_FUNCTION') {
        const { children } = object['function'] as Record<string, unknown>;
        pending.push(children);
      } else {
        pending.push(...Object.values(object));
      }
    }
  }

  #checkNode(node: Record<string, unknown>): void {
    const { type } = node;
    if (type === 'TABLE_FUNCTION') {
      const name = text((node['function'] as Record<string, unknown>)['function_name']).toLowerCase();
      if (!TABLE_FUNCTIONS.has(name)) throw refused(`the table function ${name} is not allowed`);
    } else if (type === 'BASE_TABLE') {
      checkTable(node);
    } else if (type === 'SHOW_REF') {
      if (node['query'] === undefined && !SHOWN.has(text(node['table_name'])))
        throw refused(`this SHOW is not allowed: ask SHOW TABLES or DESCRIBE`);
    } else if (typeof node['function_name'] === 'string') {
      this.#checkFunction(node['function_name'].toLowerCase());
    }
  }

  #checkFunction(name: string): void {
    if (!this.#functions.has(name)) throw refused(`the function ${name} is not allowed`);
  }
}

interface SyntaxTree {
  readonly error: boolean;
  readonly error_message?: string;
  readonly error_type?: string;
  readonly statements?: readonly unknown[];
}

function checkTable(node: Record<string, unknown>): void {
  const [catalog, schema, table] = [text(node['catalog_name']), text(node['schema_name']), text(node['table_name'])];
  if (catalog !== '' || !SCHEMAS.has(schema.toLowerCase()) || REFUSED_TABLES.test(table)) {
    throw refused(`the table ${[catalog, schema, table].filter((part) => part !== '').join('.')} is not allowed`);
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function parseError(tree: SyntaxTree): OperatingError {
  if (tree.error_type === 'not implemented')
    return refused('only queries are allowed: SELECT, FROM, DESCRIBE, SHOW TABLES, SUMMARIZE, EXPLAIN');
  return new OperatingError(tree.error_message ?? 'the query cannot be parsed', { code: 'SQL_INVALID' });
}

function refused(message: string): OperatingError {
  return new OperatingError(message, {
    code: 'SQL_REFUSED',
    hint: 'the warehouse answers queries that read its tables, and nothing else',
  });
}
