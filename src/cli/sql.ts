import { type Command, Option } from 'commander';
import { querySql } from '../sinks/duckdb/client.ts';
import { withExamples } from './examples.ts';
import { print, say } from './output.ts';
import { SQL_OUTPUTS, type SqlOutput, sqlText } from './sql-output.ts';
import { type TargetOptions, targetOf, warehouseOf } from './sql-target.ts';

const EXAMPLES = `Examples:
  tailrace sql "show tables"
  tailrace sql "from traffic order by window_start desc limit 10"
  tailrace sql "from tailrace.dead_letters limit 5" --json
  tailrace sql "from traffic" -o csv > traffic.csv
`;

interface SqlOptions extends TargetOptions {
  readonly json?: boolean;
  readonly output: SqlOutput;
}

export function registerSql(program: Command): void {
  const command = program
    .command('sql')
    .description('Asks the warehouse: the rollups by their names, and the tables of the schema tailrace. Reads only.')
    .argument('<query>', 'one statement: SELECT, FROM, SHOW TABLES, DESCRIBE, SUMMARIZE, EXPLAIN')
    .option('-c, --config <file>', 'the configuration (default: ./tailrace.yaml)')
    .option('--data-dir <folder>', 'where everything is kept, for runs without a configuration')
    .addOption(
      new Option('-o, --output <form>', 'json is one object: columns, rows, truncated; ndjson an object a row')
        .choices(SQL_OUTPUTS)
        .default('table' satisfies SqlOutput),
    )
    .option('--json', 'the same as -o json')
    .action(async (query: string, options: SqlOptions) => {
      const result = await querySql(warehouseOf(targetOf(options)), query);
      const output = options.json === true ? 'json' : options.output;
      const text = sqlText(result, output, process.stdout.isTTY);
      // Without rows there is no line, not an empty one.
      if (text !== '') print(text);
      if (result.truncated) say(`only the first ${result.rows.length} rows: ask for less, or aggregate`);
    });
  withExamples(command, EXAMPLES);
}
