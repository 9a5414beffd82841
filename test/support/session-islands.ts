// Sessions by gaps and islands in SQL over the lines themselves: what shares nothing with the operator.

const COLUMNS = 'source_address, first_event, last_event, requests, bytes, most';

/** What a table of sessions says, in the words of `islandsSql`. */
export function foundSql(table: string): string {
  const times = 'epoch_ms(first_event) AS first_event, epoch_ms(last_event) AS last_event';
  return `SELECT source_address, ${times}, requests, bytes, most, duration_ms = epoch_ms(last_event) - epoch_ms(first_event),
      epoch_ms(window_start) = epoch_ms(first_event), status
    FROM ${table} ORDER BY ${COLUMNS}`;
}

/** The sessions of access lines that lie in files. */
export function islandsSql(paths: readonly string[], gapS: number): string {
  const files = paths.map((path) => `'${path}'`);
  return `WITH lines AS (
      SELECT regexp_extract(line, '^([0-9.]+) .*\\[(.*)\\] ".*" [0-9]+ ([0-9]+) ', ['address', 'time', 'bytes']) AS p
      FROM read_csv([${files.join(', ')}], columns = { line: 'VARCHAR' }, header = false, auto_detect = false, delim = '\x01', quote = '', escape = '')
    ), events AS (
      SELECT p.address AS address, epoch_ms(strptime(p.time, '%d/%b/%Y:%H:%M:%S %z')) AS t, CAST(p.bytes AS BIGINT) AS bytes FROM lines
    ), begun AS (
      SELECT *, coalesce(t - lag(t) OVER (PARTITION BY address ORDER BY t) > ${gapS * 1000}, true) AS begins FROM events
    ), islands AS (
      SELECT *, sum(begins::INTEGER) OVER (PARTITION BY address ORDER BY t ROWS UNBOUNDED PRECEDING) AS island FROM begun
    )
    SELECT address AS source_address, min(t) AS first_event, max(t) AS last_event, count(*) AS requests, sum(bytes) AS bytes, max(bytes) AS most,
      true, true, 'final'
    FROM islands GROUP BY address, island ORDER BY ${COLUMNS}`;
}
