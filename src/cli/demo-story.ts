/** When things happen, in seconds since the generator started. */
export interface DemoStory {
  readonly seconds: number;
  readonly ratePerSecond: number;
  readonly burstAt: number;
  readonly burstSeconds: number;
  /** The engine is killed here, with work in flight. */
  readonly engineDiesAt: number;
  readonly warehouseDiesAt: number;
}

/** A minute's story, squeezed or stretched to `seconds`. */
export function storyOf(seconds: number, ratePerSecond: number): DemoStory {
  const at = (share: number): number => Math.round(seconds * share);
  return {
    seconds,
    ratePerSecond,
    burstAt: at(0.375),
    burstSeconds: Math.max(1, at(0.15)),
    engineDiesAt: at(0.625),
    warehouseDiesAt: at(0.8),
  };
}

/** The configuration of the demonstration, as a user would write it. */
export const DEMO_CONFIG = `# The configuration of tailrace demo. Try: tailrace check, tailrace sql "from traffic", tailrace audit
version: 1
name: demo
sources:
  web: { type: file, include: [access.log], stream: access }
streams:
  access:
    codec: { type: combined }
    transforms:
      - { type: filter, where: "coalesce(user_agent.original, '') not ilike '%bot%'" }
      - { type: derive, fields: { route: "regexp_extract(url.path, '^/[^/]*')" } }
    event_time: { out_of_orderness: 3s, idle_timeout: 2s }
rollups:
  traffic:
    from: access
    by: [route]
    window: { type: tumbling, size: 5s }
    measures:
      requests: count
      errors: count(*) filter (where http.response.status_code >= 500)
      error_rate: errors / requests
      bytes: sum(http.response.body.bytes)
  visits:
    from: access
    by: [source.address]
    window: { type: session, gap: 3s }
    measures: { requests: count, bytes: sum(http.response.body.bytes), entry: first(url.path), exit: last(url.path) }
engine: { checkpoint: { interval: 500ms } }
`;

/** Arguments of the generator: most lines in order, a few up to twenty seconds late, on purpose. */
export function generatorArgs(story: DemoStory): string[] {
  const rate = ['--rate', String(story.ratePerSecond), '--duration', `${story.seconds}s`];
  const trouble = ['--late', '3%:20s', '--burst', `error@+${story.burstAt}s:${story.burstSeconds}s`];
  return ['gen', ...rate, ...trouble, '--seed', '7', '--output', 'access.log'];
}

/** The last windows, newest below. */
export const WINDOWS_SQL = `
  WITH late AS (SELECT window_start, count(*) AS late FROM tailrace.late WHERE rollup = 'traffic' GROUP BY ALL),
  windows AS (
    SELECT window_start, sum(requests) AS requests, sum(errors) AS errors, sum(bytes) AS bytes, max(status) AS status
    FROM main.traffic GROUP BY ALL
  )
  SELECT strftime(windows.window_start AT TIME ZONE 'UTC', '%H:%M:%S'), CAST(requests AS BIGINT), CAST(errors AS BIGINT),
    CAST(bytes AS BIGINT), coalesce(late, 0), status
  FROM windows LEFT JOIN late USING (window_start) ORDER BY window_start DESC LIMIT 8`;

/** The worst moments: a window of a route with the most errors among its requests, of those with some traffic. */
export const ROUTES_SQL = `
  SELECT route, strftime(window_start AT TIME ZONE 'UTC', '%H:%M:%S') AS window_start, requests, errors, round(error_rate, 3) AS error_rate
  FROM main.traffic WHERE requests >= 10 ORDER BY error_rate DESC, window_start, route LIMIT 5`;

/** The longest visits: what one client asked for, with less than the gap between two requests. */
export const VISITS_SQL = `
  SELECT source_address AS client, strftime(first_event AT TIME ZONE 'UTC', '%H:%M:%S') AS began,
    round(duration_ms / 1000, 1) AS seconds, requests, entry, exit
  FROM main.visits ORDER BY duration_ms DESC, client LIMIT 5`;

export const LATE_SQL = `
  SELECT strftime(event_time AT TIME ZONE 'UTC', '%H:%M:%S') AS event_time,
    strftime(late.window_end AT TIME ZONE 'UTC', '%H:%M:%S') AS window_end,
    round(date_diff('millisecond', late.window_end, watermark) / 1000, 1) AS seconds_late, key[1] AS route
  FROM tailrace.late AS late WHERE rollup = 'traffic' ORDER BY date_diff('millisecond', late.window_end, watermark) DESC LIMIT 5`;
