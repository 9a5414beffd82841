// Views over the rows of two partitions, in a real DuckDB.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { COMPONENTS } from '../../../src/components.ts';
import type { MeasureSpec } from '../../../src/epoch/table.ts';
import { tumbling } from '../../../src/operators/tumbling-window.ts';
import { RollupTables } from '../../../src/sinks/duckdb/rollup-tables.ts';
import { schemaSql } from '../../../src/sinks/duckdb/schema.ts';
import { TableRun } from '../../support/table-run.ts';

let instance: DuckDBInstance;
let connection: DuckDBConnection;
beforeEach(async () => {
  instance = await DuckDBInstance.create(':memory:');
  connection = await instance.connect();
  for (const sql of schemaSql()) await connection.run(sql);
});
afterEach(() => {
  connection.closeSync();
  instance.closeSync();
});

const { aggregates } = COMPONENTS;
const MEASURES: readonly MeasureSpec[] = Object.values(aggregates).map(({ name, sketch }) => ({
  name: `${name}_of`,
  aggregate: name,
  ...(name === 'count' ? {} : { field: 'bytes', fieldType: 'long' }),
  ...(sketch?.parameter === undefined ? {} : { parameter: sketch.parameter.default ?? 0.5 }),
}));
const LETTERS = 'abcdefghijklmnopqrstuvwxyz'.split('');

test.each(MEASURES.map((measure) => [measure.aggregate, measure] as const))(
  'a key column of any letter beside %s',
  async (_name, measure) => {
    const by = LETTERS.map((column) => ({ field: column, type: 'long', column }) as const);
    const spec = {
      from: 'access',
      by,
      window: { type: 'tumbling', sizeMs: 1000, offsetMs: 0 },
      allowedLatenessMs: 0,
      rowsMax: 10,
      measures: [measure],
    } as const;
    const fields = [...LETTERS, 'bytes'].map((name) => ({ name, type: 'long' }) as const);
    const runs = [0, 1].map((partition) => {
      const run = new TableRun(tumbling, { name: 'letters', spec, fields });
      const lines = [1, 2, 3].map((value) => ({
        timeMs: value,
        isBad: false,
        watermarkMs: 0,
        cells: [...LETTERS.map((_, i) => i), value + partition],
      }));
      run.process(lines, 0);
      return run.checkpoint(true, 0, false);
    });
    const tables = new RollupTables(new TableRun(tumbling, { name: 'letters', spec, fields }).schemas[0]!, aggregates);
    for (const sql of tables.createSql(2)) await connection.run(sql);
    for (const [partition, { upserts }] of runs.entries())
      await tables.apply(connection, {
        partition,
        upserts: upserts[0],
        removes: undefined,
        watermarkMs: 0,
        isSnapshot: true,
      });
    const reader = await connection.runAndReadAll('SELECT * FROM letters');
    const rows = reader.getRowObjectsJson();
    expect(rows).toEqual([
      expect.objectContaining({
        lines: '6',
        status: 'open',
        ...Object.fromEntries(LETTERS.map((name, i) => [name, `${i}`])),
      }),
    ]);
    expect(rows[0]![measure.name]).not.toBeNull();
  },
);
