// What check accepts, DuckDB runs: expressions as deep as they may be, printed as a view has them.
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import { interpreter } from '../../src/expressions/interpret.ts';
import { sqlOf } from '../../src/expressions/sql-text.ts';
import type { Value } from '../../src/expressions/tree.ts';
import { treesOf } from '../support/expressions/oracle.ts';

const LEVELS = 45;
const ROW: Readonly<Record<string, Value>> = { word: 'a/b', size: 7n, x: 1.5, flag: true, seen: 0 };

test.each<[leaf: string, level: (inner: string) => string]>([
  ['word', (x) => `split_part(${x}, '/', 1)`],
  ['word', (x) => `nullif(${x}, 'a')`],
  ['word', (x) => `lower(${x})`],
  ['word', (x) => `${x} || 'a'`],
  ['word', (x) => `replace(${x}, 'a', 'b')`],
  ['word', (x) => `regexp_replace(${x}, 'a+', 'b')`],
  ['word', (x) => `(${x}) ->> '$.a'`],
  ['word', (x) => `substring(${x}, 2, 3)`],
  ['word', (x) => `lpad(${x}, 9, '0')`],
  ['word', (x) => `cast(try_cast(${x} as bigint) as varchar)`],
  ['word', (x) => `case when word = 'a' then ${x} else word end`],
  ['size', (x) => `(${x}) // 3`],
  ['size', (x) => `(${x}) % 3`],
  ['size', (x) => `nullif(${x}, 3)`],
  ['size', (x) => `coalesce(${x}, 3)`],
  ['size', (x) => `greatest(${x}, size)`],
  ['x', (x) => `(${x}) / 3`],
  ['x', (x) => `round(${x}, 2)`],
  ['x', (x) => `pow(${x}, 2)`],
  ['x', (x) => `sqrt(${x})`],
  ['seen', (x) => `date_trunc('hour', ${x})`],
  ['seen', (x) => `(${x}) + interval '5 minutes'`],
  ['flag', (x) => `not (${x})`],
  ['flag', (x) => `(${x}) is distinct from flag`],
])(
  '%s, %p again and again',
  async (leaf, level) => {
    let text = leaf;
    // A cast within a cast is two levels.
    const levels = level('').includes('cast(try_cast') ? Math.floor(LEVELS / 2) : LEVELS;
    for (let i = 0; i < levels; i++) text = level(text);
    const [tree] = await treesOf([text]);
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    await connection.run("SET TimeZone = 'UTC'");
    await connection.run(
      "CREATE TABLE rows AS SELECT 'a/b' AS word, 7::BIGINT AS size, 1.5::DOUBLE AS x, true AS flag, make_timestamptz(0) AS seen",
    );
    await connection.run(
      `CREATE VIEW shown AS SELECT *, ${sqlOf(tree!, (name) => `"${name}"`)} AS made FROM (SELECT * FROM rows)`,
    );
    const shown = tree!.type === 'time' ? 'epoch_ms(made)::DOUBLE' : 'made';
    const rows = await connection.runAndReadAll(`SELECT ${shown} FROM shown WHERE made IS NOT NULL OR size = 7`);
    const lost = (): null => null;
    expect(rows.getRows()).toEqual([[interpreter(tree!, { lost })((name) => ROW[name]!)]]);
    connection.closeSync();
    instance.closeSync();
  },
  60_000,
);
