import type { Command } from 'commander';
import { OperatingError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { querySql } from '../sinks/duckdb/client.ts';
import type { SqlResult } from '../sinks/duckdb/sql-runner.ts';
import { withExamples } from './examples.ts';
import { print, printJson, say } from './output.ts';
import { type TargetOptions, targetOf, warehouseOf } from './sql-target.ts';

const EXAMPLES = `Examples:
  tailrace sql "show tables"
  tailrace sql "from traffic order by window_start desc limit 10"
  tailrace sql "from tailrace.dead_letters limit 5" --json
`;

interface SqlOptions extends TargetOptions {
  readonly json?: boolean;
}

/** Wider cells are cut for the screen; --json has them whole. */
const CELL_WIDTH_MAX = 60;

export function registerSql(program: Command): void {
  const command = program
    .command('sql')
    .description('Asks the warehouse: the rollups by their names, and the tables of the schema tailrace. Reads only.')
    .argument('<query>', 'one statement: SELECT, FROM, SHOW TABLES, DESCRIBE, SUMMARIZE, EXPLAIN')
    .option('-c, --config <file>', 'the configuration (default: ./tailrace.yaml)')
    .option('--data-dir <folder>', 'where everything is kept, for runs without a configuration')
    .option('--json', 'the answer as one JSON object: columns, rows, truncated')
    .action(async (query: string, options: SqlOptions) => {
      const result = await querySql(warehouseOf(targetOf(options)), query);
      if (options.json === true) printJson(result);
      else show(result);
    });
  withExamples(command, EXAMPLES);
}

function show(result: SqlResult): void {
  print(tableText(result));
  if (result.truncated) say(`only the first ${result.rows.length} rows: ask for less, or aggregate`);
}

/** An answer as an aligned table; numbers to the right, what a log line could do to a terminal escaped. */
export function tableText({ columns, rows }: Pick<SqlResult, 'columns' | 'rows'>): string {
  if (columns.length === 0) throw new OperatingError('the answer has no columns', { code: 'SQL_FAILED' });
  const names = columns.map(({ name }) => escapeText(name));
  const cells = rows.map((row) => row.map(cellText));
  const isNumber = columns.map(
    (_, index) => rows.length > 0 && rows.every((row) => row[index] === null || typeof row[index] === 'number'),
  );
  const widths = names.map((name, index) => Math.max(name.length, ...cells.map((row) => row[index]!.length)));
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, index) => (isNumber[index] === true ? text.padStart(widths[index]!) : text.padEnd(widths[index]!)))
      .join('  ')
      .trimEnd();
  return [line(names), line(widths.map((width) => '─'.repeat(width))), ...cells.map(line)].join('\n');
}

function cellText(value: SqlResult['rows'][number][number]): string {
  if (value === null) return 'NULL';
  const text = escapeText(typeof value === 'object' ? JSON.stringify(value) : String(value));
  return text.length <= CELL_WIDTH_MAX ? text : `${text.slice(0, CELL_WIDTH_MAX - 1)}…`;
}
