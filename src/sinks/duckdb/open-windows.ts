import type { RowSchema } from '../../epoch/table.ts';
import { present } from '../../lib/assert.ts';
import { identifier, literal } from './names.ts';

/**
 * In the place of the table of open rows, of a table whose rows come when they are final: a row for each pane and each of its windows that is open,
 * until the partition's watermark has reached its end and the lateness (epoch/finality.ts). A window is what its rows come to.
 */
export function openWindowsSql(schema: RowSchema, open: string): string {
  const { table, sizeMs, slideMs } = present(schema.openFrom, `${schema.table} is open as a query`);
  const [size, slide, passed] = [sizeMs, slideMs, sizeMs - 1 + schema.allowedLatenessMs].map(
    (ms) => `to_milliseconds(${ms})`,
  );
  return `CREATE OR REPLACE VIEW ${open} AS
    SELECT p.* EXCLUDE (first_window, closes_at, "row.window")
      REPLACE (p."row.window" AS window_start, p."row.window" + ${size} AS window_end)
    FROM (
      SELECT *, unnest(generate_series(first_window, closes_at - ${size}, ${slide})) AS "row.window"
      FROM tailrace.${identifier(`${table}_open`)}
    ) AS p
    LEFT JOIN tailrace.cursors AS c ON c.stream = ${literal(schema.stream)} AND c.partition = p.partition
      AND regexp_matches(c.topic, '\\.epochs\\.[^.]+\\.[^.]+$')
    WHERE p."row.window" + ${passed} > coalesce(c.watermark, '-infinity'::TIMESTAMPTZ)`;
}
