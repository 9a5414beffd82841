import { DuckDBInstance } from '@duckdb/node-api';
import { describe, expect, it } from '@jest/globals';
import { intervalMsOf } from '../../src/expressions/intervals.ts';
import { SqlParser } from '../../src/expressions/sql-parser.ts';

async function intervalsOf(texts: readonly string[]): Promise<ReturnType<typeof intervalMsOf>[]> {
  const parser = new SqlParser();
  for (const text of texts) parser.get(text);
  await parser.read();
  return texts.map((text) => {
    const result = parser.get(text)!;
    if ('problem' in result) throw new Error(`${text}: ${result.problem.message}`);
    return intervalMsOf(result.parsed.root);
  });
}

const INTERVALS = [
  "interval '5 minutes'",
  "interval '1 hour 30 minutes'",
  "interval '-90s'",
  "interval '1.5 hours'",
  "interval '01:30:00'",
  "interval '-00:00:01.5'",
  "interval '2 weeks 1 day'",
  "interval '250 ms'",
  "interval '3000 us'",
  "interval '1h 5m'",
  'interval 5 minute',
  "interval '5' hour",
  'interval (3) day',
  'to_seconds(5)',
  'to_seconds(1.5)',
  'to_weeks(2)',
  'to_microseconds(5000)',
  "- interval '5 minutes'",
];

describe('intervals', () => {
  it('are as long as DuckDB says', async () => {
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    const reader = await connection.runAndReadAll(
      `SELECT ${INTERVALS.map((text) => `epoch_ms(make_timestamptz(0) + (${text}))::DOUBLE`).join(', ')}`,
    );
    connection.closeSync();
    expect(await intervalsOf(INTERVALS)).toEqual(reader.getRows()[0]);
  });

  it('are constants of whole milliseconds', async () => {
    const refused = [
      "interval '5'",
      "interval 'soon'",
      "interval '1 us'",
      "interval ''",
      'to_minutes(size)',
      "interval '9999999 days'",
    ];
    const problem = expect.objectContaining({ message: 'an interval is a constant of whole milliseconds' }) as unknown;
    expect(await intervalsOf(refused)).toEqual(refused.map(() => problem));
    const calendar = ["interval '1 month'", 'interval 2 year', 'to_quarters(1)', "interval '1 day 1 year'"];
    const unequal = expect.objectContaining({ message: 'months and years differ in length' }) as unknown;
    expect(await intervalsOf(calendar)).toEqual(calendar.map(() => unequal));
  });

  it('are nothing else', async () => {
    expect(await intervalsOf(['size', '5', 'to_timestamp(5)', "'5 minutes'", '-size'])).toEqual(
      Array(5).fill(undefined),
    );
  });
});
