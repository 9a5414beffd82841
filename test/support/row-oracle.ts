import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';

/**
 * The rows that log files must become, computed by plain SQL over the files themselves: one column of text, a regular expression for the
 * combined format, GROUP BY. It shares no code with the product and compares NULL with NULL. Lines must be UTF-8 and end in a newline.
 */
export interface OracleOptions {
  readonly dataDir: string;
  readonly logs: string;
  /** Lines are judged late in the order of the file; with several files there must be none. */
  readonly outOfOrdernessMs: number;
  readonly rollups?: readonly OracleRollup[];
}

export interface OracleRollup {
  readonly name: string;
  /** The condition of its lines. */
  readonly where?: string;
  readonly sizeMs: number;
  /** Columns of the key, as SQL over the columns of `good`. */
  readonly keys: Readonly<Record<string, string>>;
  readonly measures: Readonly<Record<string, string>>;
}

/** What appliance.ts configures. */
export const ORACLE_ROLLUPS: readonly OracleRollup[] = [
  {
    name: 'traffic',
    sizeMs: 60_000,
    keys: { url_path: 'path', http_response_status_code: 'status' },
    measures: {
      requests: 'count(*)',
      bytes: 'sum(bytes)',
      least: 'min(bytes)',
      most: 'max(bytes)',
      failed: 'count(*) FILTER (WHERE status >= 400)',
      moved: 'sum(bytes) FILTER (WHERE status < 400)',
    },
  },
  {
    name: 'large',
    where: 'bytes > 10000',
    sizeMs: 300_000,
    keys: { source_address: 'address' },
    measures: { requests: 'count(*)', excess: 'sum(bytes - 10000)' },
  },
  {
    name: 'clients',
    sizeMs: 3_600_000,
    keys: { source_address: 'address' },
    measures: { requests: 'count(*)', bytes: 'sum(bytes)' },
  },
];

export interface Comparison {
  readonly lines: number;
  readonly deadLetters: number;
  readonly lateLines: number;
  readonly rows: number;
  /** The same for the same rows in any order. */
  readonly fingerprint: string;
  /** One line each; empty if everything is as it must be. */
  readonly differences: readonly string[];
}

const QUOTED = String.raw`"((?:[^"\\]|\\.)*)"`;
const TOKEN = String.raw`([^\x00-\x20]+)`;
const LINE = String.raw`^${TOKEN} ${TOKEN} ${TOKEN} \[([^\]]*)\] ${QUOTED} ([0-9]{3}|-) ([0-9]{1,16}|-) ${QUOTED} ${QUOTED}$`;
const NAMES = ['address', 'identity', 'user', 'time', 'request', 'status', 'bytes', 'referrer', 'agent'];

/** Opens the warehouse when nobody runs, for reading, and compares everything in it. */
export async function compareWithFiles(options: OracleOptions): Promise<Comparison> {
  const { dataDir, logs, outOfOrdernessMs, rollups = ORACLE_ROLLUPS } = options;
  const warehouse = await Warehouse.open(join(dataDir, 'warehouse.duckdb'));
  try {
    await warehouse.run(`SET TimeZone = 'UTC'`);
    await warehouse.run(linesSql(readdirSync(logs).map((name) => join(logs, name))));
    await warehouse.run(goodSql(outOfOrdernessMs));
    const differences: string[] = [];
    let rows = 0;
    const hashes: unknown[] = [];
    for (const rollup of rollups) {
      differences.push(...(await compareRows(warehouse, rollup)), ...(await compareLate(warehouse, rollup)));
      rows += await warehouse.count(`SELECT count(*) FROM main.${rollup.name}`);
      hashes.push(...(await warehouse.run(`SELECT sum(hash(r)) FROM (${actualRows(rollup)}) AS r`)));
    }
    differences.push(...(await compareDeadLetters(warehouse)));
    return {
      lines: await warehouse.count('SELECT count(*) FROM lines'),
      deadLetters: await warehouse.count('SELECT count(*) FROM lines WHERE time_ms IS NULL'),
      lateLines: await warehouse.count('SELECT count(*) FROM tailrace.late'),
      rows,
      fingerprint: JSON.stringify(hashes),
      differences,
    };
  } finally {
    warehouse.close();
  }
}

/** A DuckDB file, opened for reading by the test itself. */
export class Warehouse {
  readonly #instance: DuckDBInstance;
  readonly #connection: Awaited<ReturnType<DuckDBInstance['connect']>>;

  private constructor(instance: DuckDBInstance, connection: Awaited<ReturnType<DuckDBInstance['connect']>>) {
    this.#instance = instance;
    this.#connection = connection;
  }

  static async open(path: string, mode: 'READ_ONLY' | 'READ_WRITE' = 'READ_ONLY'): Promise<Warehouse> {
    const instance = await DuckDBInstance.create(path, { access_mode: mode, threads: '2' });
    return new Warehouse(instance, await instance.connect());
  }

  async run(sql: string): Promise<unknown[][]> {
    const reader = await this.#connection.runAndReadAll(sql);
    return reader.getRowsJson() as unknown[][];
  }

  async count(sql: string): Promise<number> {
    return Number((await this.run(sql))[0]?.[0]);
  }

  close(): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** `lines`: every line of every file with its parts; `time_ms` is NULL for those that must be dead letters. */
function linesSql(files: readonly string[]): string {
  const shape = `columns = { line: 'VARCHAR' }, header = false, auto_detect = false, delim = '\x01', quote = '', escape = '', new_line = '\\n', nullstr = '\x02', max_line_size = 1000000`;
  const each = files.map(
    (file, number) =>
      `SELECT ${number} AS file, row_number() OVER () AS n, line FROM read_csv(${text(file)}, ${shape})`,
  );
  const parts = `regexp_extract(line, ${text(LINE)}, [${NAMES.map(text).join(', ')}])`;
  return `CREATE TEMP TABLE lines AS SELECT file, n, line, p.address AS address, p.request AS request,
      try_cast(nullif(p.status, '-') AS BIGINT) AS status, try_cast(nullif(p.bytes, '-') AS BIGINT) AS bytes,
      epoch_ms(try_strptime(p.time, '%d/%b/%Y:%H:%M:%S %z')) AS time_ms
    FROM (SELECT *, ${parts} AS p FROM (${each.join(' UNION ALL ')}))`;
}

/** `good`: lines with event time, with the greatest event time before each in its file. */
function goodSql(outOfOrdernessMs: number): string {
  const target = String.raw`regexp_extract(request, '^[A-Za-z_-]+ ([^ ]+) HTTP/[0-9]+(?:[.][0-9]+)?$', 1)`;
  const before = 'max(time_ms) OVER (PARTITION BY file ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)';
  return `CREATE TEMP TABLE good AS SELECT file, n, address, status, bytes, time_ms,
      nullif(regexp_extract(${target}, '^[^?#]*'), '') AS path, coalesce(nullif(${target}, ''), nullif(request, '-')) AS request_target,
      coalesce(${before} - ${outOfOrdernessMs} - 1, -9e15) AS watermark
    FROM lines WHERE time_ms IS NOT NULL`;
}

function windowEnd(sizeMs: number): string {
  return `(time_ms - ((time_ms % ${sizeMs}) + ${sizeMs}) % ${sizeMs} + ${sizeMs})`;
}

function actualRows({ name, keys, measures }: OracleRollup): string {
  const columns = [...Object.keys(keys), ...Object.keys(measures), 'lines'].join(', ');
  return `SELECT epoch_ms(window_end) AS window_end, ${columns} FROM main.${name}`;
}

async function compareRows(warehouse: Warehouse, rollup: OracleRollup): Promise<string[]> {
  const { name, where = 'true', sizeMs, keys, measures } = rollup;
  const end = windowEnd(sizeMs);
  const selected = [...Object.entries(keys), ...Object.entries(measures)].map(([column, sql]) => `${sql} AS ${column}`);
  const expected = `SELECT ${end} AS window_end, ${selected.join(', ')}, count(*) AS lines FROM good
    WHERE (${where}) AND NOT ${end} - 1 <= watermark GROUP BY ${[end, ...Object.values(keys)].join(', ')}`;
  return different(warehouse, `rows of ${name}`, expected, actualRows(rollup));
}

async function compareLate(warehouse: Warehouse, { name, where = 'true', sizeMs }: OracleRollup): Promise<string[]> {
  const end = windowEnd(sizeMs);
  return different(
    warehouse,
    `late lines of ${name}`,
    `SELECT time_ms, ${end} AS window_end FROM good WHERE (${where}) AND ${end} - 1 <= watermark`,
    `SELECT epoch_ms(event_time), epoch_ms(window_end) FROM tailrace.late WHERE rollup = '${name}'`,
  );
}

async function compareDeadLetters(warehouse: Warehouse): Promise<string[]> {
  return different(
    warehouse,
    'dead letters',
    'SELECT line FROM lines WHERE time_ms IS NULL',
    'SELECT decode(raw) FROM tailrace.dead_letters',
  );
}

async function different(warehouse: Warehouse, what: string, expected: string, actual: string): Promise<string[]> {
  await warehouse.run(`CREATE OR REPLACE TEMP TABLE expected AS ${expected}`);
  await warehouse.run(`CREATE OR REPLACE TEMP TABLE actual AS ${actual}`);
  const lines: string[] = [];
  for (const [is, left, right] of [
    ['missing', 'expected', 'actual'],
    ['wrong or extra', 'actual', 'expected'],
  ] as const) {
    const rows = `(FROM ${left} EXCEPT ALL FROM ${right})`;
    const count = await warehouse.count(`SELECT count(*) FROM ${rows}`);
    if (count === 0) continue;
    const sample = await warehouse.run(`SELECT * FROM ${rows} ORDER BY ALL LIMIT 3`);
    lines.push(`${what}: ${count} ${is}, such as ${JSON.stringify(sample)}`);
  }
  return lines;
}
