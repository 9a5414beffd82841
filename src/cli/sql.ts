import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { EXIT, OperatingError } from '../lib/errors.ts';
import type { Launch } from '../roles/definitions.ts';
import { type SqlTarget, streamSql } from '../sinks/duckdb/client.ts';
import { ParquetSpool } from '../sinks/duckdb/parquet.ts';
import { ROWS_MAX, type RowTaker, type SqlResult } from '../sinks/duckdb/sql-answer.ts';
import { withExamples } from './examples.ts';
import { say } from './output.ts';
import { ANSWER_WRITERS, uniqueNames } from './sql-output.ts';
import { type TargetOptions, targetOf, warehouseOf } from './sql-target.ts';

const EXAMPLES = `Examples:
  tailrace sql "show tables"
  tailrace sql "from traffic order by window_start desc limit 10"
  tailrace sql "from tailrace.dead_letters limit 5" --json
  tailrace sql "from traffic" --limit 0 -o csv > traffic.csv
  tailrace sql "from traffic" --limit 0 -o parquet > traffic.parquet
`;

const OUTPUTS = [...(Object.keys(ANSWER_WRITERS) as (keyof typeof ANSWER_WRITERS)[]), 'parquet'] as const;

interface SqlOptions extends TargetOptions {
  readonly json?: boolean;
  readonly output: (typeof OUTPUTS)[number];
  readonly limit: number;
}

type AskedOptions = SqlOptions & { readonly warehouse: SqlTarget };

export function registerSql(program: Command, { components }: Launch): void {
  const command = program
    .command('sql')
    .description('Asks the warehouse: the rollups by their names, and the tables of the schema tailrace. Reads only.')
    .argument('<query>', 'one statement: SELECT, FROM, SHOW TABLES, DESCRIBE, SUMMARIZE, EXPLAIN')
    .option('-c, --config <file>', 'the configuration (default: ./tailrace.yaml)')
    .option('--data-dir <folder>', 'where everything is kept, for runs without a configuration')
    .addOption(
      new Option('-o, --output <form>', 'json is one object: columns, rows, truncated; ndjson an object a row')
        .choices(OUTPUTS)
        .default('table'),
    )
    .option('--json', 'the same as -o json')
    .option('--limit <rows>', 'at most so many rows; 0: all', rowsOf, ROWS_MAX)
    .action(async (query: string, options: SqlOptions) => {
      const output = options.json === true ? 'json' : options.output;
      const asked = { ...options, warehouse: warehouseOf(await targetOf(options, components)) };
      await (output === 'parquet' ? writeParquet(query, asked) : writeText(query, asked, output));
    });
  withExamples(command, EXAMPLES);
}

function rowsOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expects a number of rows, 0 for all.');
}

async function writeText(query: string, options: AskedOptions, output: keyof typeof ANSWER_WRITERS): Promise<void> {
  const writer = ANSWER_WRITERS[output](process.stdout.isTTY);
  let begin = '';
  const truncated = await ask(query, options, {
    // An error before the first row leaves nothing on stdout.
    columns: (columns) => void (begin = writer.columns(columns)),
    rows: (rows) => {
      const text = begin + writer.rows(rows);
      begin = '';
      return written(text);
    },
  });
  await written(begin + writer.end(truncated));
}

async function writeParquet(query: string, options: AskedOptions): Promise<void> {
  if (process.stdout.isTTY)
    throw new OperatingError('a Parquet file is not for a terminal', {
      code: 'USAGE',
      exitCode: EXIT.usage,
      hint: 'add > answer.parquet',
    });
  const spool = new ParquetSpool();
  let names: readonly string[] = [];
  try {
    await ask(query, options, {
      columns(columns) {
        names = uniqueNames(columns);
        spool.columns(columns);
      },
      rows: (rows) => spool.rows(rows),
    });
    await spool.finish(names);
    await pipeline(createReadStream(spool.path), process.stdout, { end: false });
  } finally {
    await spool.remove();
  }
}

/** Says on stderr when there were more rows. */
async function ask(query: string, { warehouse, limit }: AskedOptions, taker: RowTaker): Promise<boolean> {
  let given = 0;
  const truncated = await streamSql(
    warehouse,
    query,
    { rowsMax: limit },
    {
      columns: (columns) => taker.columns(columns),
      rows: (rows: SqlResult['rows']) => {
        given += rows.length;
        return taker.rows(rows);
      },
    },
  );
  if (truncated) say(`only the first ${given} rows: --limit 0 gives all`);
  return truncated;
}

/** Resolves when there is room for more: a reader that is slow slows the query down, not fills our memory. */
function written(text: string): Promise<void> {
  if (text === '' || process.stdout.write(text)) return Promise.resolve();
  return new Promise((resolve) => process.stdout.once('drain', resolve));
}
